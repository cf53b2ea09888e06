"""Which bandwidth limit is in force at a time, and when that changes (SPEC CA-2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from zoneinfo import ZoneInfo

# NetQos counts in whole KiB a second; and a limit below a kilobit would be a stop.
LEAST_BITS_PER_SECOND = 8 * 1024
MOST_BITS_PER_SECOND = 1_000_000_000_000
MOST_WINDOWS = 50
SHOWN_CHARACTERS = 80
UTC_NAME = "UTC"
DAY = timedelta(days=1)
# A window of a day begins at most this long before it ends on the next.
LOOK_AHEAD_DAYS = 8


class Day(StrEnum):
    """Days of the week, in their order."""

    MONDAY = "Monday"
    TUESDAY = "Tuesday"
    WEDNESDAY = "Wednesday"
    THURSDAY = "Thursday"
    FRIDAY = "Friday"
    SATURDAY = "Saturday"
    SUNDAY = "Sunday"

    @staticmethod
    def of(day: date) -> Day:
        return tuple(Day)[day.weekday()]


@dataclass(frozen=True, kw_only=True)
class Window:
    """A time of some days in which a limit of its own holds.

    Attributes:
        days: On which it begins.
        start: Time of day, in the schedule's time zone.
        end: Not included; equal to the start or before it: on the next day.
        bits_per_second: Of each host.
    """

    days: frozenset[Day]
    start: time
    end: time
    bits_per_second: int

    def as_json(self) -> dict[str, object]:
        return {
            "days": [str(day) for day in Day if day in self.days],
            "start": self.start.isoformat("minutes"),
            "end": self.end.isoformat("minutes"),
            "bits_per_second": self.bits_per_second,
        }

    def spans(self, around: datetime, zone: tzinfo) -> list[tuple[datetime, datetime]]:
        """Beginnings and ends, in UTC, of the times near `around`, and of those of a week on."""
        today = around.astimezone(zone).date()
        found = []
        for offset in range(-1, LOOK_AHEAD_DAYS + 1):
            day = today + offset * DAY
            if Day.of(day) in self.days:
                last = day if self.end > self.start else day + DAY
                found.append((_moment(day, self.start, zone), _moment(last, self.end, zone)))
        return found


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A limit with its windows.

    Attributes:
        bits_per_second: Outside the windows; None: no limit.
        time_zone: IANA name.
    """

    bits_per_second: int | None
    windows: tuple[Window, ...] = ()
    time_zone: str = UTC_NAME


def limit_in_force(schedule: Schedule, now: datetime) -> int | None:
    """Bits a second that each host may send at that time; None for no limit.

    Where windows overlap the lowest of their limits holds, whatever holds outside them.
    """
    zone = _zone(schedule.time_zone)
    inside = [
        window.bits_per_second
        for window in schedule.windows
        if any(start <= now < end for start, end in window.spans(now, zone))
    ]
    return min(inside, default=schedule.bits_per_second)


def next_change(schedule: Schedule, now: datetime) -> datetime | None:
    """When another limit comes into force, in UTC; None when it never changes."""
    zone = _zone(schedule.time_zone)
    edges = sorted(
        {
            edge
            for window in schedule.windows
            for span in window.spans(now, zone)
            for edge in span
            if edge > now
        }
    )
    present = limit_in_force(schedule, now)
    return next((edge for edge in edges if limit_in_force(schedule, edge) != present), None)


@dataclass(frozen=True)
class FieldProblem:
    """What is wrong with a field of a limit."""

    field: str
    message: str
    allowed: str


class BadLimitError(ValueError):
    """A limit that makes no sense."""

    def __init__(self, problem: FieldProblem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def _refuse(field: str, value: object, allowed: str) -> BadLimitError:
    shown = repr(value)
    shown = shown if len(shown) <= SHOWN_CHARACTERS else f"{shown[:SHOWN_CHARACTERS]}..."
    return BadLimitError(FieldProblem(field, f"{field} cannot be {shown}.", allowed))


def read_schedule(fields: Mapping[str, object]) -> Schedule:
    """A schedule from the fields of a request.

    Args:
        fields: bitsPerSecond (optional), windows (optional: list of days, start, end,
            bitsPerSecond), timeZone (optional: UTC).

    Raises:
        BadLimitError: A field is of the wrong type or out of range, or nothing is limited.
    """
    outside = fields.get("bitsPerSecond")
    windows = fields.get("windows")
    if windows is None:
        windows = []
    if not isinstance(windows, list) or len(windows) > MOST_WINDOWS:
        raise _refuse("windows", windows, f"a list of at most {MOST_WINDOWS} windows")
    schedule = Schedule(
        bits_per_second=None if outside is None else _read_bits("bitsPerSecond", outside),
        windows=tuple(_read_window(index, one) for index, one in enumerate(windows)),
        time_zone=_read_zone(fields.get("timeZone")),
    )
    if schedule.bits_per_second is None and not schedule.windows:
        raise _refuse("bitsPerSecond", None, "a number of bits a second, or windows with one each")
    return schedule


def schedule_of(
    bits_per_second: int | None, windows: Sequence[Mapping[str, object]], time_zone: str
) -> Schedule:
    """A schedule from what `as_json` of its windows gave."""
    return Schedule(
        bits_per_second=bits_per_second,
        windows=tuple(
            Window(
                days=frozenset(Day(str(day)) for day in _as_list(one["days"])),
                start=time.fromisoformat(str(one["start"])),
                end=time.fromisoformat(str(one["end"])),
                bits_per_second=int(str(one["bits_per_second"])),
            )
            for one in windows
        ),
        time_zone=time_zone,
    )


def _read_window(index: int, given: object) -> Window:
    where = f"windows[{index}]"
    if not isinstance(given, dict):
        raise _refuse(where, given, "an object with days, start, end and bitsPerSecond")
    days = given.get("days")
    names = {day.lower(): day for day in Day}
    chosen = [names.get(str(day).lower()) for day in _as_list(days)]
    if not chosen or None in chosen:
        raise _refuse(f"{where}.days", days, f"a list of {', '.join(Day)}")
    return Window(
        days=frozenset(day for day in chosen if day is not None),
        start=_read_time(f"{where}.start", given.get("start")),
        end=_read_time(f"{where}.end", given.get("end")),
        bits_per_second=_read_bits(f"{where}.bitsPerSecond", given.get("bitsPerSecond")),
    )


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _read_bits(field: str, given: object) -> int:
    if (
        not isinstance(given, int)
        or isinstance(given, bool)
        or not LEAST_BITS_PER_SECOND <= given <= MOST_BITS_PER_SECOND
    ):
        raise _refuse(
            field, given, f"a whole number from {LEAST_BITS_PER_SECOND} to {MOST_BITS_PER_SECOND}"
        )
    return given


def _read_time(field: str, given: object) -> time:
    allowed = "a time of day as HH:MM"
    if not isinstance(given, str) or len(given) != len("HH:MM"):
        raise _refuse(field, given, allowed)
    try:
        return time.fromisoformat(given)
    except ValueError:
        raise _refuse(field, given, allowed) from None


def _read_zone(given: object) -> str:
    refusal = _refuse("timeZone", given, "the IANA name of a time zone, for example Asia/Shanghai")
    if given is None:
        return UTC_NAME
    if not isinstance(given, str) or not given:
        raise refusal
    try:
        _zone(given)
    except (KeyError, ValueError, OSError):
        raise refusal from None
    return given


def _zone(name: str) -> tzinfo:
    """UTC needs no time zone data."""
    return UTC if name == UTC_NAME else ZoneInfo(name)


def _moment(day: date, at: time, zone: tzinfo) -> datetime:
    """A time of day on a date. One that a change of the clocks leaves out is the next there is."""
    return datetime.combine(day, at, zone).astimezone(UTC)
