"""`./msaas images`: builds the images of the fleet and prints what each is and costs."""

import argparse
import os
import sys
from collections.abc import Sequence

from msaas.cli.commands import report_unknown_name
from msaas.dev.delivery import generate
from msaas.dev.delivery.engine import Builder, BuiltImage, find_engine, find_revision
from msaas.dev.delivery.images import Image, list_images
from msaas.dev.workspace import ROOT

MEGABYTE = 1_000_000
_ROW = "{:<16} {:>9} {:>9} {:>8}"


def run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./msaas images", description=__doc__)
    parser.add_argument("name", nargs="*", help="only these images")
    parser.add_argument("--write", action="store_true", help="write the files, build nothing")
    parser.add_argument("--check", action="store_true", help="compare the files, build nothing")
    parser.add_argument("--base", help="another base image, which all named images are built on")
    parser.add_argument("--twice", action="store_true", help="without a cache; compare the layers")
    chosen = parser.parse_args(argv)
    if chosen.write or chosen.check:
        return generate.main([str(ROOT), *(["--check"] if chosen.check else [])])
    images = {image.name: image for image in list_images(ROOT)}
    for name in chosen.name:
        if name not in images:
            return report_unknown_name(name, images, "image")
    engine = find_engine()
    if engine is None:
        print("msaas: no container engine answers (`docker info`)", file=sys.stderr)
        return 1
    arguments = {
        "REVISION": find_revision(ROOT),
        "SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", "0"),
        **({"BASE": chosen.base} if chosen.base else {}),
    }
    builder = Builder(engine, ROOT, arguments)
    selected = [images[name] for name in chosen.name or images]
    return _build_twice(builder, selected) if chosen.twice else _build(builder, selected)


def _build(builder: Builder, images: Sequence[Image]) -> int:
    built = [(image, builder.build(image)) for image in images]
    print(_ROW.format("image", "size MB", "own MB", "s"))
    for image, outcome in built:
        print(_format(image, outcome))
    return 0


def _format(image: Image, outcome: BuiltImage) -> str:
    size, own = outcome.size / MEGABYTE, outcome.own_size / MEGABYTE
    return _ROW.format(image.name, f"{size:.1f}", f"{own:.1f}", f"{outcome.seconds:.1f}")


def _build_twice(builder: Builder, images: Sequence[Image]) -> int:
    """Return 1 where the second build has other layers, and name them."""
    differing = 0
    for image in images:
        first, second = (builder.build(image, fresh=True).own_layers for _ in range(2))
        others = [pair for pair in zip(first, second, strict=True) if pair[0] != pair[1]]
        print(f"{image.name}: {len(first) - len(others)} of {len(first)} layers are the same")
        print(*(f"  {before} is now {after}" for before, after in others), sep="\n")
        differing += bool(others)
    return 1 if differing else 0
