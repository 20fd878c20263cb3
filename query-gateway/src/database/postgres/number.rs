//! numeric as PostgreSQL sends it: groups of four decimal digits, of which those that are zero at either end are left out.
//!
//! How many groups, the weight of the first one, a sign, how many digits are shown behind the point, the groups; all in
//! two bytes each.

const GROUP: usize = 4;
const NEGATIVE: u16 = 0x4000;

/// A number of decimal digits with an optional sign and point; None of what is none, or has more than one can have.
pub(super) fn written(text: &str) -> Option<Vec<u8>> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !plain(whole) || !plain(fraction) {
        return None;
    }
    let scale = u16::try_from(fraction.len()).ok()?;
    let before = whole.len().div_ceil(GROUP);
    let behind = fraction.len().div_ceil(GROUP);
    let padded = format!("{whole:0>0$}{fraction:0<1$}", before * GROUP, behind * GROUP);
    let groups: Vec<u16> = padded.as_bytes().chunks(GROUP).map(value).collect();
    let leading = groups.iter().take_while(|group| **group == 0).count();
    let kept = groups.len() - groups[leading..].iter().rev().take_while(|group| **group == 0).count();
    let groups = &groups[leading..kept.max(leading)];
    let weight =
        if groups.is_empty() { 0 } else { i16::try_from(before as i64 - leading as i64 - 1).ok()? };
    let sign = if negative && !groups.is_empty() { NEGATIVE } else { 0 };
    let head = [u16::try_from(groups.len()).ok()?, weight.cast_unsigned(), sign, scale];
    Some(head.iter().chain(groups).flat_map(|part| part.to_be_bytes()).collect())
}

fn value(digits: &[u8]) -> u16 {
    digits.iter().fold(0, |value, digit| value * 10 + u16::from(digit - b'0'))
}

/// The digits of a number; None of what is none: infinity, or not a number.
pub(super) fn read(bytes: &[u8]) -> Option<String> {
    let mut parts = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let (count, weight, sign, scale) =
        (parts.next()?, parts.next()?, parts.next()?, usize::from(parts.next()?));
    if sign & !NEGATIVE != 0 {
        return None;
    }
    let groups: Vec<u16> = parts.collect();
    if groups.len() != usize::from(count) {
        return None;
    }
    let weight = i64::from(weight.cast_signed());
    // The group of weight `at`, which may be left out.
    let group =
        |at: i64| usize::try_from(weight - at).ok().and_then(|place| groups.get(place)).copied().unwrap_or(0);
    let whole: String = (0..=weight.max(0)).rev().map(|at| format!("{:04}", group(at))).collect();
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let fraction: String =
        (1..=scale.div_ceil(GROUP) as i64).map(|at| format!("{:04}", group(-at))).collect();
    let sign = if sign == NEGATIVE { "-" } else { "" };
    let point = if scale == 0 { "" } else { "." };
    Some(format!("{sign}{whole}{point}{}", &fraction[..scale]))
}
