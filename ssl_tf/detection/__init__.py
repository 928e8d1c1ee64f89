"""Boxes, anchors, regions and masks of Faster and Mask R-CNN.

Whatever an image has many of is padded to one length and carries a `valid` mask, so
that every shape is static. Boxes are `(x1, y1, x2, y2)` in continuous pixels: pixel i
covers [i, i + 1], an area is (x2 - x1)(y2 - y1).
"""
