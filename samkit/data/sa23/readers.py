"""Which function reads which of the 23 datasets."""

from collections.abc import Callable, Mapping
from pathlib import Path

from samkit.data.dataset import Dataset
from samkit.data.sa23 import json_readers, picture_readers
from samkit.data.sa23.visor import visor

Reader = Callable[[Path, str], Dataset]

READERS: Mapping[str, Reader] = {
    "ppdls": picture_readers.ppdls,
    "bbbc038v1": picture_readers.bbbc038,
    "doors": picture_readers.doors,
    "timberseg": json_readers.timberseg,
    "ndd20": json_readers.ndd20,
    "lvis": json_readers.lvis_split,
    "streets": json_readers.streets,
    "zerowaste": json_readers.zerowaste,
    "ishape": picture_readers.ishape,
    "ade20k": picture_readers.ade20k,
    "ovis": json_readers.ovis,
    "hypersim": picture_readers.hypersim,
    "ndispark": json_readers.ndispark,
    "visor": visor,
    "plittersdorf": json_readers.plittersdorf,
    "egohos": picture_readers.egohos,
    "ibd": picture_readers.ibd,
    "woodscape": json_readers.woodscape,
    "cityscapes": picture_readers.cityscapes,
    "pidray": json_readers.pidray,
    "dram": picture_readers.dram,
    "trashcan": json_readers.trashcan,
    "gtea": picture_readers.gtea,
}
