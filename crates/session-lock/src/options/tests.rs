//! Options, the environment variables under them, and the origin's arithmetic.

use super::*;
use rstest::rstest;

const MS: Duration = Duration::from_millis(1);

/// The limits of options made in an environment with one variable in it.
fn with(name: &str, value: &str) -> (Option<Duration>, Duration, Duration) {
    limits(&SessionOptions::from_env(|asked| (asked == name).then(|| value.to_owned())))
}

fn limits(options: &SessionOptions) -> (Option<Duration>, Duration, Duration) {
    (options.timeout, options.stale_after, options.max_hold)
}

const DEFAULTS: (Option<Duration>, Duration, Duration) =
    (Some(DEFAULT_TIMEOUT), DEFAULT_STALE_AFTER, DEFAULT_MAX_HOLD);

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

#[test]
fn the_defaults_are_the_origins() {
    assert_eq!(DEFAULTS, (Some(seconds(10)), seconds(1800), seconds(300)));
    assert_eq!((TIMEOUT_GRACE, MAX_HOLD_CAP), (seconds(120), MS * 2_147_000_000));
    let options = SessionOptions::from_env(|_| None);
    assert_eq!(limits(&options), DEFAULTS);
    let SessionOptions { reentrant, inheritable, single_host, fail_when_stale, .. } = options;
    assert_eq!([reentrant, inheritable, single_host, fail_when_stale], [false; 4]);
}

#[rstest]
#[case::one("1", Some(MS))]
#[case::plain("2500", Some(MS * 2500))]
#[case::leading_zeros("00007", Some(MS * 7))]
#[case::largest_safe("9007199254740991", Some(Duration::from_millis((1 << 53) - 1)))]
#[case::two_to_the_53("9007199254740992", None)]
#[case::beyond_64_bits("99999999999999999999999", None)]
#[case::zero("0", None)]
#[case::zeros("000", None)]
#[case::negative("-5", None)]
#[case::plus("+5", None)]
#[case::fraction("5.0", None)]
#[case::exponent("1e3", None)]
#[case::hexadecimal("0x10", None)]
#[case::underscore("1_000", None)]
#[case::leading_space(" 5", None)]
#[case::trailing_newline("5\n", None)]
#[case::unit("5s", None)]
#[case::other_digits("٥", None)]
#[case::empty("", None)]
#[case::lower_case_infinity("infinity", None)]
#[case::negative_infinity("-Infinity", None)]
#[case::not_a_number("NaN", None)]
fn variables_are_positive_decimal_digits(#[case] text: &str, #[case] value: Option<Duration>) {
    let (timeout, stale, max_hold) = DEFAULTS;
    assert_eq!(with(TIMEOUT_VAR, text), (value.or(timeout), stale, max_hold));
    assert_eq!(with(STALE_VAR, text), (timeout, value.unwrap_or(stale), max_hold));
    let capped = value.unwrap_or(max_hold).min(MAX_HOLD_CAP);
    assert_eq!(with(MAX_HOLD_VAR, text), (timeout, stale, capped));
}

#[test]
fn only_the_timeout_may_be_infinite() {
    let (_, stale, max_hold) = DEFAULTS;
    assert_eq!(with(TIMEOUT_VAR, "Infinity"), (None, stale, max_hold));
    assert_eq!(with(STALE_VAR, "Infinity"), DEFAULTS);
    assert_eq!(with(MAX_HOLD_VAR, "Infinity"), DEFAULTS);
}

#[test]
fn the_variables_have_the_origins_names() {
    let name = |what| format!("OPENCLAW_SESSION_WRITE_LOCK_{what}_MS");
    let (timeout, stale, max_hold) = DEFAULTS;
    assert_eq!(with(&name("ACQUIRE_TIMEOUT"), "5"), (Some(MS * 5), stale, max_hold));
    assert_eq!(with(&name("STALE"), "5"), (timeout, MS * 5, max_hold));
    assert_eq!(with(&name("MAX_HOLD"), "5"), (timeout, stale, MS * 5));
}

#[test]
fn an_explicit_option_wins_over_the_environment() {
    let options = SessionOptions::from_env(|_| Some("5".to_owned()));
    let explicit = options.timeout(seconds(1)).stale_after(seconds(2)).max_hold(seconds(3));
    assert_eq!(limits(&explicit), (Some(seconds(1)), seconds(2), seconds(3)));
    let endless = SessionOptions::from_env(|_| Some("Infinity".to_owned()));
    assert_eq!(endless.clone().timeout(seconds(1)).timeout, Some(seconds(1)));
    assert_eq!(endless.millis(Some(7.0), None, None).timeout, Some(MS * 7));
    assert_eq!(SessionOptions::from_env(|_| Some("5".to_owned())).wait_forever().timeout, None);
}

#[rstest]
#[case::usual(seconds(60), seconds(60))]
#[case::zero(Duration::ZERO, MS)]
#[case::at_the_cap(MAX_HOLD_CAP, MAX_HOLD_CAP)]
#[case::past_the_cap(MAX_HOLD_CAP + MS, MAX_HOLD_CAP)]
#[case::for_ever(Duration::MAX, MAX_HOLD_CAP)]
fn a_promise_is_kept_within_its_limits(#[case] asked: Duration, #[case] promised: Duration) {
    assert_eq!(SessionOptions::from_env(|_| None).max_hold(asked).max_hold, promised);
}

#[rstest]
#[case::nothing(None, None)]
#[case::usual(Some(1500.0), Some(MS * 1500))]
#[case::fraction(Some(0.5), Some(Duration::from_micros(500)))]
#[case::zero(Some(0.0), None)]
#[case::minus_zero(Some(-0.0), None)]
#[case::negative(Some(-1.0), None)]
#[case::nan(Some(f64::NAN), None)]
#[case::negative_infinity(Some(f64::NEG_INFINITY), None)]
#[case::beyond_all_measure(Some(1e300), None)]
fn milliseconds_as_the_origin_takes_them(#[case] ms: Option<f64>, #[case] value: Option<Duration>) {
    let (timeout, stale, max_hold) = DEFAULTS;
    let set = SessionOptions::from_env(|_| None).millis(ms, ms, ms);
    let promised = value.map_or(max_hold, |value| value.max(MS));
    assert_eq!(limits(&set), (value.or(timeout), value.unwrap_or(stale), promised));
}

#[test]
fn an_infinite_timeout_waits_for_ever_and_nothing_else_is_infinite() {
    let infinite = Some(f64::INFINITY);
    let set = SessionOptions::from_env(|_| None).millis(infinite, infinite, infinite);
    assert_eq!(limits(&set), (None, DEFAULT_STALE_AFTER, DEFAULT_MAX_HOLD));
    let capped = SessionOptions::from_env(|_| None).millis(None, None, Some(3e9));
    assert_eq!(capped.max_hold, MAX_HOLD_CAP);
}

#[rstest]
#[case::ten_minutes(Some(seconds(600)), TIMEOUT_GRACE, DEFAULT_MAX_HOLD, seconds(720))]
#[case::short_with_small_min(Some(seconds(1)), TIMEOUT_GRACE, seconds(5), seconds(121))]
#[case::min_wins(Some(seconds(1)), TIMEOUT_GRACE, DEFAULT_MAX_HOLD, seconds(300))]
#[case::at_the_min(Some(seconds(180)), TIMEOUT_GRACE, DEFAULT_MAX_HOLD, seconds(300))]
#[case::past_the_min(Some(seconds(181)), TIMEOUT_GRACE, DEFAULT_MAX_HOLD, seconds(301))]
#[case::infinite(None, TIMEOUT_GRACE, DEFAULT_MAX_HOLD, MAX_HOLD_CAP)]
#[case::invalid(Some(Duration::ZERO), TIMEOUT_GRACE, DEFAULT_MAX_HOLD, seconds(420))]
#[case::invalid_small_min(Some(Duration::ZERO), TIMEOUT_GRACE, seconds(5), seconds(125))]
#[case::capped(Some(MAX_HOLD_CAP), TIMEOUT_GRACE, DEFAULT_MAX_HOLD, MAX_HOLD_CAP)]
#[case::overflow(Some(Duration::MAX), TIMEOUT_GRACE, DEFAULT_MAX_HOLD, MAX_HOLD_CAP)]
#[case::min_past_the_cap(Some(seconds(1)), TIMEOUT_GRACE, Duration::MAX, MAX_HOLD_CAP)]
fn a_promise_that_fits_a_timeout(
    #[case] timeout: Option<Duration>,
    #[case] grace: Duration,
    #[case] min: Duration,
    #[case] expected: Duration,
) {
    assert_eq!(max_hold_from_timeout(timeout, grace, min), expected);
}
