//! `timestamptz` as microseconds since 1970, UTC: reading, writing, fields, truncation, arithmetic.
//!
//! The session's time zone is UTC, always. The years 1 to 9999 are supported.

use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

use crate::{
    interval::{DAY, HOUR, Interval, MINUTE, SECOND, fraction, millionths},
    numeric::Numeric,
    value::Failure,
};

/// Reads `2024-02-29`, `2024-02-29 12:34[:56[.789]]` with an optional zone offset; without one it is UTC.
pub fn parse(text: &str) -> Result<i64, Failure> {
    parse_parts(text.trim_ascii()).ok_or_else(|| Failure::invalid("timestamp with time zone", text))
}

fn parse_parts(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let number =
        |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<u16>().ok())?;
    if date.get(4..5)? != "-" || date.get(7..8)? != "-" {
        return None;
    }
    let month = Month::try_from(u8::try_from(number(date.get(5..7)?)?).ok()?).ok()?;
    let day = u8::try_from(number(date.get(8..10)?)?).ok()?;
    let date = Date::from_calendar_date(i32::from(number(date.get(..4)?)?), month, day).ok()?;
    let midnight = date.midnight().assume_offset(UtcOffset::UTC).unix_timestamp() * SECOND;
    let rest = rest.strip_prefix(['T', 't']).unwrap_or(rest).trim_ascii();
    if rest.is_empty() {
        return Some(midnight);
    }
    let zone = rest.find(['+', '-', 'Z', 'z', 'U', 'u', ' ']).unwrap_or(rest.len());
    Some(midnight + parse_time(&rest[..zone])? - parse_offset(rest[zone..].trim_ascii())?)
}

fn parse_time(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let parts: Vec<&str> = text.split(':').collect();
    let below = |part: &str, bound: i64| two_digits(part).filter(|value| *value < bound);
    match parts.as_slice() {
        [hours, minutes] => Some(below(hours, 24)? * HOUR + below(minutes, 60)? * MINUTE),
        [hours, minutes, seconds] => {
            let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
            let fraction =
                fraction.bytes().all(|byte| byte.is_ascii_digit()).then(|| millionths(fraction))?;
            let clock =
                below(hours, 24)? * HOUR + below(minutes, 60)? * MINUTE + below(seconds, 60)? * SECOND;
            Some(clock + fraction)
        }
        _ => None,
    }
}

fn parse_offset(text: &str) -> Option<i64> {
    if text.is_empty() || text.eq_ignore_ascii_case("z") || text.eq_ignore_ascii_case("utc") {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    let (hours, minutes) = match digits.len() {
        2 => (two_digits(&digits)?, 0),
        4 => (two_digits(digits.get(..2)?)?, two_digits(digits.get(2..)?)?),
        _ => return None,
    };
    (hours <= 15 && minutes < 60).then_some(sign * (hours * HOUR + minutes * MINUTE))
}

fn two_digits(text: &str) -> Option<i64> {
    (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// The instant in civil terms.
fn civil(micros: i64) -> Result<OffsetDateTime, Failure> {
    let value = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok();
    value.filter(|value| value.year() >= 1).ok_or_else(out_of_range)
}

fn from_civil(date: Date, time: Time) -> i64 {
    let instant = date.with_time(time).assume_utc();
    instant.unix_timestamp() * SECOND + i64::from(instant.microsecond())
}

fn out_of_range() -> Failure {
    Failure::out_of_range("timestamp")
}

/// `2024-02-29 12:34:56.789+00`.
pub fn format(micros: i64) -> Result<String, Failure> {
    let at = civil(micros)?;
    let fraction = fraction(u64::from(at.microsecond()));
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    Ok(format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction}+00"))
}

/// `2024-02-29`.
pub fn format_date(micros: i64) -> Result<String, Failure> {
    let at = civil(micros)?;
    Ok(format!("{:04}-{:02}-{:02}", at.year(), u8::from(at.month()), at.day()))
}

/// `2024-02-29T12:34:56.789+00:00`, as in JSON.
pub fn format_iso(micros: i64) -> Result<String, Failure> {
    Ok(format!("{}:00", format(micros)?.replacen(' ', "T", 1)))
}

/// The start of the `field` that holds the instant.
pub fn truncate(field: &str, micros: i64) -> Result<i64, Failure> {
    let at = civil(micros)?;
    let span = |length: i64| Ok(micros - micros.rem_euclid(length));
    let first_of = |year: i32, month: u8| {
        let month = Month::try_from(month).map_err(|_| out_of_range())?;
        let date = Date::from_calendar_date(year, month, 1).map_err(|_| out_of_range())?;
        Ok(from_civil(date, Time::MIDNIGHT))
    };
    match field.to_ascii_lowercase().as_str() {
        "microsecond" | "microseconds" => Ok(micros),
        "millisecond" | "milliseconds" => span(1_000),
        "second" | "seconds" => span(SECOND),
        "minute" | "minutes" => span(MINUTE),
        "hour" | "hours" => span(HOUR),
        "day" | "days" => span(DAY),
        "week" | "weeks" => {
            let back = i64::from(at.weekday().number_days_from_monday());
            Ok(micros - micros.rem_euclid(DAY) - back * DAY)
        }
        "month" | "months" => first_of(at.year(), u8::from(at.month())),
        "quarter" => first_of(at.year(), (u8::from(at.month()) - 1) / 3 * 3 + 1),
        "year" | "years" => first_of(at.year(), 1),
        // There is no year 0: the first decade starts in the year before 1, which is out of range.
        "decade" | "decades" => first_of(at.year() / 10 * 10, 1),
        "century" | "centuries" => first_of((at.year() - 1) / 100 * 100 + 1, 1),
        "millennium" | "millennia" => first_of((at.year() - 1) / 1_000 * 1_000 + 1, 1),
        _ => Err(unknown_field(field)),
    }
    .and_then(|micros| civil(micros).map(|_| micros))
}

fn unknown_field(field: &str) -> Failure {
    Failure(format!("unit \"{field}\" not recognized for type timestamp with time zone"))
}

/// `extract(field from ..)`: a numeric, whole for all but the parts of a second and the epoch.
pub fn extract(field: &str, micros: i64) -> Result<Numeric, Failure> {
    let at = civil(micros)?;
    let year = i64::from(at.year());
    let micros_of_minute = micros.rem_euclid(MINUTE);
    let decimal = |micros: i64, scale: i64| -> Result<Numeric, Failure> {
        let unit = Numeric::from(10i64.pow(scale.unsigned_abs() as u32));
        Ok(Numeric::from(micros).div(&unit)?.round(scale))
    };
    Ok(Numeric::from(match field.to_ascii_lowercase().as_str() {
        "microsecond" | "microseconds" => micros_of_minute,
        "millisecond" | "milliseconds" => return decimal(micros_of_minute, 3),
        "second" | "seconds" => return decimal(micros_of_minute, 6),
        "epoch" => return decimal(micros, 6),
        "minute" | "minutes" => i64::from(at.minute()),
        "hour" | "hours" => i64::from(at.hour()),
        "day" | "days" => i64::from(at.day()),
        "dow" => i64::from(at.weekday().number_days_from_sunday()),
        "isodow" => i64::from(at.weekday().number_from_monday()),
        "doy" => i64::from(at.ordinal()),
        "week" | "weeks" => i64::from(at.iso_week()),
        "isoyear" => i64::from(at.to_iso_week_date().0),
        "month" | "months" => i64::from(u8::from(at.month())),
        "quarter" => i64::from((u8::from(at.month()) - 1) / 3 + 1),
        "year" | "years" => year,
        "decade" | "decades" => year.div_euclid(10),
        "century" | "centuries" => (year + 99) / 100,
        "millennium" | "millennia" => (year + 999) / 1_000,
        "timezone" | "timezone_hour" | "timezone_minute" => 0,
        _ => return Err(unknown_field(field)),
    }))
}

/// Months first (the day cut to the length of the month), then days, then the rest.
pub fn add(micros: i64, interval: Interval) -> Result<i64, Failure> {
    let at = civil(micros)?;
    let months = i64::from(at.year()) * 12 + i64::from(u8::from(at.month())) - 1;
    let months = months.checked_add(interval.months).ok_or_else(out_of_range)?;
    let year = i32::try_from(months.div_euclid(12)).map_err(|_| out_of_range())?;
    let month = u8::try_from(months.rem_euclid(12) + 1).ok().and_then(|month| Month::try_from(month).ok());
    let month = month.ok_or_else(out_of_range)?;
    let day = at.day().min(month.length(year));
    let date = Date::from_calendar_date(year, month, day).map_err(|_| out_of_range())?;
    let days = interval.days.checked_mul(DAY).ok_or_else(out_of_range)?;
    let sum = from_civil(date, at.time()).checked_add(days).and_then(|sum| sum.checked_add(interval.micros));
    let sum = sum.ok_or_else(out_of_range)?;
    civil(sum).map(|_| sum)
}

/// `left - right` in days and time.
pub fn difference(left: i64, right: i64) -> Result<Interval, Failure> {
    let micros = left.checked_sub(right).ok_or_else(|| Failure::out_of_range("interval"))?;
    Ok(Interval { months: 0, days: micros / DAY, micros: micros % DAY })
}

/// The start of the bin of width `stride`, counted from `origin`, that holds the instant.
pub fn bin(stride: Interval, micros: i64, origin: i64) -> Result<i64, Failure> {
    if stride.months != 0 {
        return Err(Failure(
            "timestamps cannot be binned into intervals containing months or years".to_owned(),
        ));
    }
    let width = i64::try_from(stride.length()).map_err(|_| Failure::out_of_range("interval"))?;
    if width <= 0 {
        return Err(Failure("stride must be greater than zero".to_owned()));
    }
    let offset = micros.checked_sub(origin).ok_or_else(out_of_range)?;
    Ok(micros - offset.rem_euclid(width))
}

/// `to_timestamp`: seconds since 1970, rounded to microseconds.
#[expect(clippy::cast_possible_truncation, reason = "checked in the line before")]
pub fn from_epoch(seconds: f64) -> Result<i64, Failure> {
    let micros = (seconds * 1e6).round_ties_even();
    if micros.abs() > 9.0e18 {
        return Err(out_of_range());
    }
    civil(micros as i64).map(|_| micros as i64)
}

/// Writes one part of an instant.
type Write = fn(&OffsetDateTime) -> String;

/// The patterns of `to_char` that are understood, longest first.
const PATTERNS: &[(&str, Write)] = &[
    ("YYYY", |at| format!("{:04}", at.year())),
    ("HH24", |at| format!("{:02}", at.hour())),
    ("HH12", |at| format!("{:02}", (at.hour() + 11) % 12 + 1)),
    ("IYYY", |at| format!("{:04}", at.to_iso_week_date().0)),
    ("DDD", |at| format!("{:03}", at.ordinal())),
    ("MM", |at| format!("{:02}", u8::from(at.month()))),
    ("DD", |at| format!("{:02}", at.day())),
    ("MI", |at| format!("{:02}", at.minute())),
    ("SS", |at| format!("{:02}", at.second())),
    ("MS", |at| format!("{:03}", at.millisecond())),
    ("US", |at| format!("{:06}", at.microsecond())),
    ("IW", |at| format!("{:02}", at.iso_week())),
    ("YY", |at| format!("{:02}", at.year() % 100)),
    ("Q", |at| ((u8::from(at.month()) - 1) / 3 + 1).to_string()),
];

/// `to_char` with the patterns above, quoted text and punctuation; other letters are an error rather than a surprise.
pub fn to_char(micros: i64, pattern: &str) -> Result<String, Failure> {
    let at = civil(micros)?;
    let (mut text, mut rest) = (String::new(), pattern);
    while let Some(first) = rest.chars().next() {
        if let Some((known, write)) = PATTERNS.iter().find(|(known, _)| rest.starts_with(known)) {
            text.push_str(&write(&at));
            rest = &rest[known.len()..];
        } else if let Some((quoted, after)) = rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
            text.push_str(quoted);
            rest = after;
        } else if first.is_alphanumeric() || first == '"' {
            return Err(Failure(format!("to_char: the pattern at \"{rest}\" is not supported")));
        } else {
            text.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
