"""E-mail messages as text: sender, recipients, date, subject, body, and attachments of readable types."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage, Message, MIMEPart

from ragvlc.documents.encodings import NotText, decoded
from ragvlc.documents.formats.found import Found, Heading, Read, Settings, Unreadable, visible
from ragvlc.documents.formats.html import page

__all__ = ["read"]

_HEADERS = ("From", "To", "Cc", "Date", "Subject")


def read(data: bytes, settings: Settings, again: Read) -> Found:
    """Returns the text of an e-mail message. Raises `Unreadable`.

    Args:
        data: of the file.
        settings: how to read.
        again: reads attachments.
    """
    message = message_from_bytes(data, policy=policy.default)
    if not isinstance(message, EmailMessage) or not any(name in message for name in _HEADERS):
        raise Unreadable("cannot be read as a message: it has no sender, receiver, date or subject")
    heads = "\n".join(f"{name}: {' '.join(str(message[name]).split())}" for name in _HEADERS if message[name])
    parts, headings, length = [heads], list[Heading](), len(heads)
    images = broken = 0
    left_out: dict[str, int] = {}
    for found in _bodies(message, settings):
        headings += [(start + length + 2, end + length + 2, level) for start, end, level in found.headings]
        parts.append(found.text)
        length += 2 + len(found.text)
        images, broken = images + found.images, broken + found.broken
    for part in message.iter_attachments():
        name = part.get_filename() or part.get_content_type()
        if part.get_content_maintype() == "image":
            images += 1
            continue
        attached = _attached(part, name, settings, again)
        if attached is None:
            left_out[f"attachment {name}"] = 1
            continue
        parts.append(f"Attachment {name}:\n{attached.text.strip()}" if part.get_filename() else attached.text)
        images, broken = images + attached.images, broken + attached.broken
    subject = str(message["Subject"] or "")
    return Found("\n\n".join(parts), subject, tuple(headings), broken=broken, images=images, left_out=left_out)


def _bodies(message: EmailMessage, settings: Settings) -> list[Found]:
    """Returns the message body: plain text, or HTML if the plain text only points to the HTML version."""
    parts = [message.get_body((kind,)) for kind in ("plain", "html")]
    bodies = [_body(part, settings) for part in parts if part is not None]
    bodies = [one for one in bodies if one.text.strip()]
    if len(bodies) == 2:
        plain, rich = (sum(visible(one.text).values()) for one in bodies)
        bodies = [bodies[0] if rich <= 1.5 * plain else bodies[1]]
    return bodies


def _body(part: MIMEPart, settings: Settings) -> Found:
    text = _characters(part)
    if part.get_content_subtype() == "html":
        return page(text, settings)
    return Found(text.replace("\r\n", "\n").strip("\n"), broken=text.count("\ufffd"))


def _characters(part: MIMEPart) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    try:
        return decoded(payload, declared=part.get_content_charset() or "")[0]
    except NotText:
        return payload.decode("utf-8", "replace")


def _attached(part: MIMEPart, name: str, settings: Settings, again: Read) -> Found | None:
    """Returns the text of an attachment, or None if files of its type cannot be read."""
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload()
        held = inner[0] if isinstance(inner, list) and inner else None
        return read(held.as_bytes(), settings, again) if isinstance(held, Message) else None
    if part.get_content_maintype() == "text" and not part.get_filename():
        return _body(part, settings)
    payload = part.get_payload(decode=True)
    try:
        return again(name, payload) if isinstance(payload, bytes) else None
    except Unreadable:
        return None
