"""Word files from XML, for what no library writes: notes, text boxes, changes, fields, content controls."""

from __future__ import annotations

import io
import zipfile

__all__ = ["word"]

_SPACES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
    'xmlns:v="urn:schemas-microsoft-com:vml" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing"'
)
_KINDS = "application/vnd.openxmlformats-officedocument.wordprocessingml."
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"


def word(body: str, **parts: str) -> bytes:
    """Returns a file with this body; `parts` are further ones, such as `footnotes`, by their XML."""
    relations = "".join(
        f'<Relationship Id="r{n}" Type="{_RELATION}{name}" Target="{name}.xml"/>' for n, name in enumerate(parts)
    )
    kinds = "".join(
        f'<Override PartName="/word/{name}.xml" ContentType="{_KINDS}{name}+xml"/>' for name in ("document", *parts)
    )
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    package = "http://schemas.openxmlformats.org/package/2006/"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(
            "[Content_Types].xml",
            f'{head}<Types xmlns="{package}content-types"><Default Extension="xml" ContentType="application/xml"/>'
            f'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>{kinds}'
            "</Types>".replace(f"{_KINDS}document+xml", f"{_KINDS}document.main+xml"),
        )
        archive.writestr(
            "_rels/.rels",
            f'{head}<Relationships xmlns="{package}relationships"><Relationship Id="r1" '
            f'Type="{_RELATION}officeDocument" Target="word/document.xml"/></Relationships>',
        )
        archive.writestr(
            "word/_rels/document.xml.rels",
            f'{head}<Relationships xmlns="{package}relationships">{relations}</Relationships>',
        )
        archive.writestr("word/document.xml", f"{head}<w:document {_SPACES}><w:body>{body}</w:body></w:document>")
        for name, xml in parts.items():
            archive.writestr(f"word/{name}.xml", f"{head}<w:{name} {_SPACES}>{xml}</w:{name}>")
    return buffer.getvalue()
