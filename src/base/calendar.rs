//! The calendar: seconds since 1970 as dates, and back.

/// `seconds` after 1970-01-01T00:00:00Z in ISO 8601: `2020-09-13T12:26:40Z`.
#[must_use]
pub fn iso8601(seconds: u64) -> String {
    let (year, month, day) = civil_date(seconds / SECONDS_OF_A_DAY);
    let of_day = seconds % SECONDS_OF_A_DAY;
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `seconds` after 1970-01-01T00:00:00Z as execution logs have it: `Sun Sep 13 12:26:40 UTC 2020`.
#[must_use]
pub fn log_time(seconds: u64) -> String {
    let days = seconds / SECONDS_OF_A_DAY;
    let (year, month, day) = civil_date(days);
    let of_day = seconds % SECONDS_OF_A_DAY;
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    // The first day of 1970 was a Thursday.
    let weekday = WEEKDAYS[usize::try_from((days + 4) % 7).unwrap_or_default()];
    let month = MONTHS[usize::try_from(month - 1).unwrap_or_default()];
    format!("{weekday} {month} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year:04}")
}

/// Seconds after 1970-01-01T00:00:00Z of a time as signatures write it: `20200913T122640Z`.
#[must_use]
pub fn parse_basic_iso8601(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    if date.len() != 8 || time.len() != 6 {
        return None;
    }
    let number = |text: &str| {
        let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        if is_digits { text.parse::<u64>().ok() } else { None }
    };
    let (year, month, day) =
        (number(date.get(..4)?)?, number(date.get(4..6)?)?, number(date.get(6..)?)?);
    let (hour, minute, second) =
        (number(time.get(..2)?)?, number(time.get(2..4)?)?, number(time.get(4..)?)?);
    if !(1970..=9999).contains(&year) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days_of(year, month, day)?;
    Some(days * SECONDS_OF_A_DAY + hour * 3_600 + minute * 60 + second)
}

/// Days from 1970-01-01 to a date, if there is such a date.
fn days_of(year: u64, month: u64, day: u64) -> Option<u64> {
    let year_from_march = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let (era, year_of_era) = (year_from_march / 400, year_from_march % 400);
    let of_year = (153 * month_from_march + 2) / 5 + day.checked_sub(1)?;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    let days = (era * DAYS_OF_400_YEARS + of_era).checked_sub(MARCH_0000_TO_1970)?;
    (civil_date(days) == (year, month, day)).then_some(days)
}

/// Year, month (from 1) and day (from 1) of the Gregorian calendar, `days` after 1970-01-01.
/// Years are counted from March here, so that the leap day is a year's last.
pub(crate) fn civil_date(days: u64) -> (u64, u64, u64) {
    let days = days + MARCH_0000_TO_1970;
    let (era, of_era) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const SECONDS_OF_A_DAY: u64 = 86_400;
const DAYS_OF_400_YEARS: u64 = 146_097;
const MARCH_0000_TO_1970: u64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_times_have_their_weekday() {
        assert_eq!(log_time(0), "Thu Jan 01 00:00:00 UTC 1970");
        assert_eq!(log_time(1_600_000_000), "Sun Sep 13 12:26:40 UTC 2020");
        assert_eq!(log_time(951_782_400), "Tue Feb 29 00:00:00 UTC 2000");
    }

    #[test]
    fn texts_of_known_instants() {
        assert_eq!(iso8601(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso8601(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(parse_basic_iso8601("20000229T000000Z"), Some(951_782_400));
        assert_eq!(parse_basic_iso8601("20150830T123600Z"), Some(1_440_938_160));
        for text in [
            "",
            "20150830T123600",
            "20150230T123600Z",
            "20151330T000000Z",
            "2015083+T123600Z",
            "20150800T000000Z",
        ] {
            assert_eq!(parse_basic_iso8601(text), None, "{text}");
        }
    }

    #[test]
    fn days_follow_each_other_for_500_years() {
        let mut before = (1969, 12, 31);
        for days in 0..183_000 {
            let (year, month, day) = civil_date(days);
            let next_day = (year, month, day) == (before.0, before.1, before.2 + 1);
            let next_month = (year, month, day) == (before.0, before.1 + 1, 1) && before.2 >= 28;
            let next_year = (year, month, day) == (before.0 + 1, 1, 1) && before.1 == 12;
            assert!(
                next_day || next_month || next_year,
                "{before:?} then {:?}",
                (year, month, day)
            );
            assert!(day <= 31 && month <= 12);
            assert_eq!(days_of(year, month, day), Some(days));
            before = (year, month, day);
        }
    }
}
