"""COCO files, as labelling tools write them: boxes with categories, or captions of whole pictures."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ValidationError

from vlm_bt.errors import ConfigError
from vlm_bt.training.labelled import SHOWN, Row

FORM = (
    'a COCO file is {"images": [{"id", "file_name"}], "annotations": [{"image_id", "category_id", "bbox": [x, y, '
    'width, height]}], "categories": [{"id", "name"}]}; in an annotation "caption" may stand for category and box'
)


class _Image(BaseModel):
    id: int | str
    file_name: str


class _Category(BaseModel):
    id: int | str
    name: str


class _Annotation(BaseModel):
    image_id: int | str
    category_id: int | str | None = None
    bbox: tuple[float, float, float, float] | None = None
    caption: str | None = None


class _Coco(BaseModel):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category] = []


def read_coco(path: Path) -> list[Row]:
    """One row for each annotation.

    Raises:
        ConfigError: It is no COCO file, or names pictures and categories that it does not list.
    """
    try:
        stored = _Coco.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigError(f"{path}: {where}: {first['msg']}; {FORM}") from error
    files = {image.id: image.file_name for image in stored.images}
    names = {category.id: category.name for category in stored.categories}
    rows, wrong = [], []
    for number, annotation in enumerate(stored.annotations):
        where = f"{path.name}: annotations[{number}]"
        label = annotation.caption or names.get(annotation.category_id if annotation.category_id is not None else "")
        if annotation.image_id not in files:
            wrong.append(f"{where}: there is no image with the id {annotation.image_id!r}")
        elif label is None:
            known = ", ".join(repr(key) for key in list(names)[:SHOWN]) or "none"
            wrong.append(f"{where}: there is no category {annotation.category_id!r}; there are: {known}")
        else:
            box = None
            if annotation.bbox is not None:
                x, y, width, height = annotation.bbox
                box = (x, y, x + width, y + height)
            rows.append(Row(where, files[annotation.image_id], label.strip(), box))
    if wrong:
        more = f"\n  and {len(wrong) - SHOWN} more like these" if len(wrong) > SHOWN else ""
        raise ConfigError(f"{path}: {len(wrong)} wrong\n  " + "\n  ".join(wrong[:SHOWN]) + more + f"\n  {FORM}")
    return rows
