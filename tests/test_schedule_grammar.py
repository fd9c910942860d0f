"""What a line of cron may say, what it means, and what is answered to everything else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mitrarr_runner.errors import UsageError
from mitrarr_runner.schedule import CronError, parse

ALL_DAYS, ALL_MONTHS = set(range(1, 32)), set(range(1, 13))
FIVE = "cron has 5 fields (minute hour day month weekday); here are {}"


@pytest.mark.parametrize(
    ("line", "minutes", "hours", "days", "months", "weekdays"),
    [
        ("5 4 3 2 1", {5}, {4}, {3}, {2}, {1}),
        (
            "*/20 0-2 1,15 jan-mar mon-fri",
            {0, 20, 40},
            {0, 1, 2},
            {1, 15},
            {1, 2, 3},
            {1, 2, 3, 4, 5},
        ),
        ("50/5 22/2 30/1 11/1 5/1", {50, 55}, {22}, {30, 31}, {11, 12}, {5, 6}),
        ("59/15 * * * *", {59}, set(range(24)), ALL_DAYS, ALL_MONTHS, set(range(7))),
        ("7-7 3-3/2 1 1 7", {7}, {3}, {1}, {1}, {0}),
        ("0 0 1 JAN,Dec SUN,sat", {0}, {0}, {1}, {1, 12}, {0, 6}),
        ("1,1,1-2,* 0 1 1 0-7", set(range(60)), {0}, {1}, {1}, set(range(7))),
        ("10-40/15 0 1-31 * 5-7", {10, 25, 40}, {0}, ALL_DAYS, ALL_MONTHS, {5, 6, 0}),
    ],
)
def test_lines_that_are_understood(
    line: str,
    minutes: set[int],
    hours: set[int],
    days: set[int],
    months: set[int],
    weekdays: set[int],
) -> None:
    cron = parse(line)
    found = (cron.minutes, cron.hours, cron.days, cron.months, cron.weekdays)
    assert found == (minutes, hours, days, months, weekdays)
    assert cron.expression == line


@given(low=st.integers(0, 7), length=st.integers(0, 7), step=st.integers(1, 7))
def test_weekday_ranges_with_both_sundays(low: int, length: int, step: int) -> None:
    high = min(7, low + length)
    assert parse(f"0 0 * * {low}-{high}/{step}").weekdays == {
        day % 7 for day in range(low, high + 1, step)
    }


@pytest.mark.parametrize(
    ("macro", "line"),
    [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        (" @Daily ", "0 0 * * *"),
    ],
)
def test_macros(macro: str, line: str) -> None:
    one, other = parse(macro), parse(line)
    for name in ("fixed_time", "either_day", "minutes", "hours", "days", "months", "weekdays"):
        assert getattr(one, name) == getattr(other, name)


@pytest.mark.parametrize(
    ("line", "fixed"),
    [
        ("30 2 * * *", True),
        ("0-59 2 * * *", True),
        ("1,* 2 * * *", True),  # Debian looks at the first character only
        ("*/30 2 * * *", False),
        ("30 */2 * * *", False),
        ("30 * 1 1 1", False),
        ("@hourly", False),
        ("@daily", True),
    ],
)
def test_fixed_time_and_star_jobs(line: str, fixed: bool) -> None:
    assert parse(line).fixed_time is fixed


@pytest.mark.parametrize(
    ("line", "code", "message", "hint"),
    [
        ("*/10 * * *", "cron_fields", FIVE.format(4),
         'If the idea is "every 10 minutes": "*/10 * * * *"'),
        ("0 3 * *", "cron_fields", FIVE.format(4), 'Perhaps a "*" is missing: "0 3 * * *"'),
        ("0 99 * *", "cron_fields", FIVE.format(4),
         'For example, every 10 minutes: "*/10 * * * *"'),
        ("", "cron_fields", FIVE.format(0), 'For example, every 10 minutes: "*/10 * * * *"'),
        ("daily", "cron_fields", FIVE.format(1).replace("are", "is"),
         'Perhaps you meant "@daily"'),
        ("0 */10 * * * *", "cron_six_fields", FIVE.format(6),
         'There are no seconds here. Without them: "*/10 * * * *"'),
        ("0 0 12 * * ? 2026", "cron_six_fields", FIVE.format(7),
         "There are no seconds and no years here: leave them out."),
        ("0 5 * * mon root /bin/true", "cron_six_fields", FIVE.format(7),
         "A schedule is the five fields only; the command goes into `steps`."),
        ("0 0 ? * *", "cron_unsupported",
         'the day field "?" uses ?, which cron does not have', 'Write "*" instead.'),
        ("0 0 L * *", "cron_unsupported",
         'the day field "L" uses L, which cron does not have',
         "Let the job run on the candidate days and let its first step decide, "
         "or name the days themselves."),
        ("H H * * *", "cron_unsupported", 'the minute field "H" uses H, which cron does not have',
         "Choose a value; to spread jobs over time, use `jitter` beside `cron`."),
        ("CRON_TZ=UTC 0 9 * * *", "cron_unsupported",
         "a line of cron has no time zone in it; here is CRON_TZ=UTC",
         'The zone goes into schedule.timezone: {cron: "0 9 * * *", timezone: UTC}'),
        ("TZ=America/Sao_Paulo @daily", "cron_unsupported",
         "a line of cron has no time zone in it; here is TZ=America/Sao_Paulo",
         'The zone goes into schedule.timezone: {cron: "@daily", timezone: America/Sao_Paulo}'),
        ("CRON_TZ=UTC 0 9 * *", "cron_unsupported",
         "a line of cron has no time zone in it; here is CRON_TZ=UTC",
         "The zone goes into schedule.timezone, beside schedule.cron."),
        ("@reboot", "cron_macro",
         "@reboot is not a time: nobody tells a one-shot program that the host has started",
         'Use a time, e.g. "@hourly", or start the command from a systemd unit.'),
        ("@Fortnightly", "cron_macro", "cron does not know @Fortnightly",
         "It knows @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually."),
        ("50-10 * * * *", "cron_range", 'the minute range "50-10" runs backward',
         'Write it as a list: "50-59,0-10"'),
        ("0 22-2 * * *", "cron_range", 'the hour range "22-2" runs backward',
         'Write it as a list: "22-23,0-2"'),
        ("0 0 * * Fri-Sun", "cron_range", 'the weekday range "Fri-Sun" runs backward',
         'Write it as a list: "5-6,0"'),
        ("0 0 * nov-feb *", "cron_range", 'the month range "nov-feb" runs backward',
         'Write it as a list: "11-12,1-2"'),
        ("60 * * * *", "cron_range", "the minute field goes from 0 to 59; here is 60",
         "Choose a value from 0 to 59."),
        ("0 0 0 * *", "cron_range", "the day field goes from 1 to 31; here is 0",
         "Choose a value from 1 to 31."),
        ("*/0 * * * *", "cron_range",
         "a step of the minute field is between 1 and 60; here it is 0",
         "A step counts within the field: it cannot be longer than the field is."),
        ("*/90 * * * *", "cron_range",
         "a step of the minute field is between 1 and 60; here it is 90",
         "A step counts within the field: it cannot be longer than the field is."),
        ("0 0 30 2 *", "cron_never", "never due: no month of this line has a day 30",
         "For the last day of a month take the first of the next one, at 00:00."),
        ("0 0 31 2,4,6,9,11 *", "cron_never", "never due: no month of this line has a day 31",
         "For the last day of a month take the first of the next one, at 00:00."),
        ("0 0 * * Monday", "cron_syntax", "the weekday field does not know Monday",
         "Numbers from 0 to 7 or sun, mon, tue, wed, thu, fri, sat; lists 1,3; ranges 1-5; "
         "steps */2."),
        ("jan * * * *", "cron_syntax", "the minute field does not know jan",
         "Numbers from 0 to 59; lists 1,3; ranges 1-5; steps */2."),
        ("1-2-3 * * * *", "cron_syntax", 'the minute field "1-2-3" is not understood at "1-2-3"',
         "Numbers from 0 to 59; lists 1,3; ranges 1-5; steps */2."),
        ("0\u00a0* * * *", "cron_syntax", "cron knows plain ASCII only; here is '\\xa0'",
         "Type the line anew: it may have been pasted from a document."),
    ],
)  # fmt: skip
def test_what_is_refused_and_what_is_said(line: str, code: str, message: str, hint: str) -> None:
    with pytest.raises(CronError) as caught:
        parse(line)
    assert (caught.value.code, str(caught.value), str(caught.value.hint)) == (code, message, hint)
    assert isinstance(caught.value, UsageError)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("R * * * *", "cron_unsupported"),
        ("R(0-30) * * * *", "cron_unsupported"),
        ("H * * * *", "cron_unsupported"),
        ("h/15 * * * *", "cron_unsupported"),
        ("0 0 L * *", "cron_unsupported"),
        ("0 0 15W * *", "cron_unsupported"),
        ("0 0 LW * *", "cron_unsupported"),
        ("0 0 * * 5L", "cron_unsupported"),
        ("0 0 * * 2#3", "cron_unsupported"),
        ("0 0 ? * ?", "cron_unsupported"),
        ("5-1/2 * * * *", "cron_range"),
        ("0 24 * * *", "cron_range"),
        ("0 0 * 13 *", "cron_range"),
        ("0 0 * * 8", "cron_range"),
        ("0 0 32 * *", "cron_range"),
        ("*/99999999999999999999 * * * *", "cron_range"),
        ("0 0 31 apr *", "cron_never"),
        ("0 0 30-31 2 */2", "cron_never"),
        ("-1 * * * *", "cron_syntax"),
        ("1, * * * *", "cron_syntax"),
        (",1 * * * *", "cron_syntax"),
        ("*-5 * * * *", "cron_syntax"),
        ("** * * * *", "cron_syntax"),
        ("1/ * * * *", "cron_syntax"),
        ("*/-5 * * * *", "cron_syntax"),
        ("1.5 * * * *", "cron_syntax"),
        ("+1 * * * *", "cron_syntax"),
        ("1_0 * * * *", "cron_syntax"),
        ("\u0663 * * * *", "cron_syntax"),  # a digit, but not an ASCII one
        ("0 0 * * *\n", "cron_syntax"),
        ("0,1," * 400 + "2 * * * *", "cron_syntax"),
        ("@daily 5", "cron_macro"),
        ("@\x1b[2J", "cron_syntax"),
    ],
)
def test_whatever_the_grammar_does_not_know_is_refused(line: str, code: str) -> None:
    with pytest.raises(CronError) as caught:
        parse(line)
    assert caught.value.code == code
    assert caught.value.hint is not None


@pytest.mark.parametrize("line", ["0 0 29 2 *", "0 0 30 2 1", "0 0 31 2,3 *", "0 0 29-31 2 *"])
def test_rare_dates_are_not_impossible_ones(line: str) -> None:
    assert parse(line).months


@settings(max_examples=200)
@given(st.text("0123456789*/,-@#?LWHRjanmosu \t", max_size=30) | st.text(max_size=20))
def test_any_text_is_understood_or_refused_with_a_hint(line: str) -> None:
    refused: CronError | None = None
    try:
        cron = parse(line)
    except CronError as error:
        refused = error
    if refused is not None:
        assert refused.code.startswith("cron_")
        assert str(refused)
        assert refused.hint is not None
    else:
        assert all((cron.minutes, cron.hours, cron.days, cron.months, cron.weekdays))
