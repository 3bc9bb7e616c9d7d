"""Rotation files: a small TOML file or a calendar that says who takes turns on call, read again whenever it changes."""

from __future__ import annotations

import logging
import tomllib
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from ..agent.chain_tables import MaybeName, Zone
from ..agent.setting_lines import with_lines
from ..agent.setting_words import BadSettings, Name, did_you_mean, listed, problems_of, refuse
from ..agent.table_forms import Duration
from ..approvals.errors import BadSetting
from ..approvals.people import PersonId
from ..scheduler.rotation import Override, Rotation, Turns
from .table_parts import Table

log = logging.getLogger(__name__)

#: A file that is larger, in bytes, is not read.
LARGEST = 1_000_000


def _local(value: datetime) -> datetime:
    if value.tzinfo is not None:
        raise ValueError("write local time without an offset, like 2026-01-05T09:00:00; zone says where")
    return value


Local = Annotated[datetime, AfterValidator(_local)]


class OverrideTable(Table):
    """Somebody else for a while: `{ who = "kim", from = 2026-12-24T09:00:00, to = 2026-12-27T09:00:00 }`.

    Attributes:
        who: Empty leaves a gap, in which the set's fallback is asked.
        from: Local time at which it begins.
        to: Local time at which it ends.
    """

    who: MaybeName
    starts: Local = Field(alias="from")
    ends: Local = Field(alias="to")

    @model_validator(mode="after")
    def _ends_later(self) -> Self:
        if self.ends <= self.starts:
            raise ValueError("it ends before it begins")
        return self


class RotationTable(Table):
    """A rotation file.

    Attributes:
        zone: Where its times are local, like "Europe/Berlin".
        people: Who takes turns, in their order.
        starts: The first handover.
        length: Of one turn, like "7d" or "12h"; at least an hour.
        overrides: Who stands in for whom.
    """

    zone: Zone
    people: Annotated[tuple[Name, ...], listed("people's ids")] = Field(min_length=1)
    starts: Local
    length: Annotated[Duration, Field(ge=timedelta(hours=1))] = timedelta(days=7)
    overrides: Annotated[tuple[OverrideTable, ...], listed("overrides")] = ()

    def rotation(self) -> Rotation:
        return Rotation(
            zone=self.zone, people=tuple(map(PersonId, self.people)), starts=self.starts, length=self.length,
            overrides=tuple(
                Override(who=PersonId(one.who) if one.who else None, starts=one.starts, ends=one.ends)
                for one in self.overrides
            ),
        )  # fmt: skip


def read_turns(path: Path, known: Mapping[str, str]) -> Turns:
    """A table, or with the suffix .ics a calendar; `known` are the people of the settings, id -> name.

    Raises: BadSetting, naming the file and what is wrong in it.
    """
    return _calendar(path, known) if path.suffix.lower() == ".ics" else read_rotation(path, known)


def _calendar(path: Path, known: Mapping[str, str]) -> Turns:
    try:
        from ..scheduler.calendar_turns import read_turns as read  # noqa: PLC0415 most rotations are tables
    except ModuleNotFoundError as error:
        raise BadSetting(
            f"The rotation {path} is a calendar: pip install 'sayso[calendar]' reads it."
        ) from error
    called = Counter(name.strip().casefold() for name in known.values())
    names = {
        said: PersonId(id) for id, name in known.items() if called[said := name.strip().casefold()] == 1
    } | {id.casefold(): PersonId(id) for id in known}
    try:
        return read(_text(path), names, datetime.now(UTC))
    except BadSetting as error:
        raise BadSetting(f"{path}: {error}") from error


def _text(path: Path) -> str:
    """Raises: BadSetting."""
    try:
        if path.stat().st_size > LARGEST:
            raise BadSetting(f"The rotation {path} is larger than {LARGEST:,} bytes.")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadSetting(f"The rotation {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise BadSetting(f"The rotation {path} is not text in UTF-8: {error}.") from error


def read_rotation(path: Path, known: Collection[str]) -> Rotation:
    """Raises: BadSetting, naming the file and what is wrong in it; `known` are the people of the settings."""
    text = _text(path)
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadSetting(f"The rotation {path} is not TOML: {error}.") from error
    try:
        try:
            table = RotationTable.model_validate(said)
        except ValidationError as error:
            refuse(problems_of(error, RotationTable))
            raise
        named = (*table.people, *(one.who for one in table.overrides if one.who))
        refuse(
            f"people: there is no [people.{one}]{did_you_mean(one, known)}"
            for one in named
            if one not in known
        )
    except BadSettings as error:
        raise BadSetting(f"{path}: {BadSettings(with_lines(error.problems, text))}") from error
    return table.rotation()


class RotationFile:
    """The rotation as its file says now. A file that was broken while we run is said aloud, and the last good one holds."""

    def __init__(self, path: Path, known: Mapping[str, str]) -> None:
        """Take the people of the settings as `known`, id -> name. Raises: BadSetting."""
        self._path = path
        self._known = known
        self._seen = _version(path)
        self._rotation = read_turns(path, known)

    @property
    def rotation(self) -> Turns:
        """Read again where the file has changed."""
        now = _version(self._path)
        if now != self._seen:
            self._seen = now
            try:
                self._rotation = read_turns(self._path, self._known)
            except BadSetting:
                log.exception("rotation.not_read file=%s", self._path)
            else:
                log.info("rotation.read file=%s", self._path)
        return self._rotation


def _version(path: Path) -> tuple[int, int, int]:
    """Changes whenever the file is written or replaced; zeros where there is none."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)
