"""Pick the real test images that travel with the package (`genmodels/real_images`), from the data sets' parquet files.

    GENMODELS_DATA=folder PYTHONPATH=. python scripts/real_images.py

Of each class as many, evenly spread over the test split; a row of the sheet has one of each class, so that the classes
come in turn. The sheet is lossless.
"""

import json
from typing import Any

import torch
from torch import Tensor

from genmodels.data import DATASETS, Images, load_dataset, tile
from genmodels.real_images import FOLDER

PER_CLASS = {"mnist": 20, "fashion-mnist": 20, "heroes": 20, "omniglot": 2}
#: Data set -> source and licence, as the JSON beside the pictures names them.
ORIGINS = {
    "mnist": (
        "MNIST, the database of handwritten digits by Yann LeCun, Corinna Cortes and Christopher J. C. Burges "
        "(https://huggingface.co/datasets/ylecun/mnist)",
        "published for all to use, and redistributed ever since; the Hub's copy is marked MIT",
    ),
    "fashion-mnist": (
        "Fashion-MNIST by Zalando SE (https://huggingface.co/datasets/zalando-datasets/fashion_mnist)",
        "MIT, Copyright (c) 2017 Zalando SE",
    ),
    "heroes": (
        "characters composed from parts of the Dungeon Crawl Stone Soup tile set (https://github.com/crawl/tiles)",
        "CC0",
    ),
    "omniglot": (
        "Omniglot by Brenden Lake, the two small background sets (https://github.com/brendenlake/omniglot)",
        "MIT, Copyright (c) 2015 Brenden Lake",
    ),
}


def main() -> None:
    for name, per_class in PER_CLASS.items():
        images = load_dataset(name, "test")
        write(name, images, spread(images.labels, len(DATASETS[name].classes), per_class))


def spread(labels: Tensor, classes: int, per_class: int) -> Tensor:
    """Indices of `per_class` images of each class, from the first to the last, one of each class in turn."""
    chosen = []
    for label in range(classes):
        found = (labels == label).nonzero().flatten()
        chosen.append(found[torch.linspace(0, len(found) - 1, per_class).round().long()])
    return torch.stack(chosen, 1).flatten()


def write(name: str, images: Images, indices: Tensor) -> None:
    source, licence = ORIGINS[name]
    facts: dict[str, Any] = {"source": source, "licence": licence, "split": "test"}
    facts |= {"indices": indices.tolist(), "labels": images.labels[indices].tolist()}
    (FOLDER / f"{name}.json").write_text(json.dumps(facts) + "\n", "utf-8")
    sheet = tile(images.pixels[indices], len(images.classes), gap=0)
    sheet.save(FOLDER / f"{name}.webp", lossless=True, quality=100, method=6)
    print(f"{name}: {len(indices)} images, {(FOLDER / f'{name}.webp').stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
