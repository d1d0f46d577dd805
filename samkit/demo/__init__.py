"""The demo page: clicks, boxes, phrases and everything mode on a picture of yours (extra `demo`)."""
