"""Tracks in videos as YouTube-VIS stores them (Yang et al. 2019): one sample is one frame."""

from collections import defaultdict
from pathlib import Path
from typing import Any

from samkit.data.dataset import Dataset
from samkit.data.files import read_picture
from samkit.data.sa23.objects import annotations
from samkit.ops import rle
from samkit.ops.json_text import read_json_file
from samkit.types import Sample


def youtube_vis_dataset(name: str, labels: Path, images: Path) -> Dataset:
    """All frames of all videos, ids their file names, each with the tracks that are seen in it.

    labels: {"videos": [{"id", "height", "width", "file_names"}], "annotations": [{"id", "video_id",
    "category_id", "segmentations"}], "categories"}; a track's segmentation is null in a frame where
    it is not seen. Annotation ids are the tracks'.

    Raises ValueError for other content, and for a track with more or fewer frames than its video.
    """
    content = read_json_file(labels)
    try:
        videos = {video["id"]: video for video in content["videos"]}
        class_names = {one["id"]: str(one["name"]) for one in content["categories"]}
        tracks: defaultdict[Any, list[Any]] = defaultdict(list)
        for track in content["annotations"]:
            count = len(videos[track["video_id"]]["file_names"])
            if len(track["segmentations"]) != count:
                raise ValueError(
                    f"{labels}: track {track['id']} has {len(track['segmentations'])} segmentations, "
                    f"its video {count} frames"
                )
            tracks[track["video_id"]].append(track)
        frames = {
            str(file): (video, index)
            for video in videos.values()
            for index, file in enumerate(video["file_names"])
        }
    except (KeyError, TypeError) as error:
        raise ValueError(f"{labels} is no YouTube-VIS file: it has no {error}") from error

    def make(id: str) -> Sample:
        video, index = frames[id]
        try:
            size = (int(video["height"]), int(video["width"]))
            seen = [track for track in tracks[video["id"]] if track["segmentations"][index]]
            truth = annotations(
                size,
                [rle.from_coco(track["segmentations"][index], *size) for track in seen],
                [track["category_id"] for track in seen],
                class_names,
                ids=[track["id"] for track in seen],
                is_crowd=[bool(track.get("iscrowd", 0)) for track in seen],
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{labels}, frame {id}: {error!r}") from error
        return Sample(id, lambda: read_picture(images / id, size), truth)

    return Dataset(f"{name}({len(frames)} images)", list(frames), make, class_names)
