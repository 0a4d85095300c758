//! duke-of-york: a site that is up for a period, down for the next, and so on.

use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use clap::Parser;

use super::listen::{Listen, parse};
use crate::clock;
use crate::model::duration;

/// Answers 200 and 500 by turns, beginning with 200
#[derive(Debug, Parser)]
#[command(
    name = "duke-of-york",
    version,
    after_help = "\
Examples:
  duke-of-york --port 9004 --period 10s
  lokahictl create -u http://localhost:9004/ --every 5s"
)]
struct Settings {
    #[command(flatten)]
    listen: Listen,
    /// How long each lasts: 5s, 1m, 500ms, or seconds
    #[arg(long, env = "PERIOD", default_value = "1m", value_parser = period)]
    period: Duration,
}

pub(super) async fn run() -> anyhow::Result<()> {
    let settings: Settings = parse();
    let (since, period) = (clock::monotonic(), settings.period);
    let router = Router::new().fallback(move || async move { answer(since, period) });
    settings.listen.serve(router).await
}

fn answer(since: Instant, period: Duration) -> (StatusCode, &'static str) {
    if is_up(since.elapsed(), period) {
        (StatusCode::OK, "UP\n")
    } else {
        (StatusCode::INTERNAL_SERVER_ERROR, "DOWN\n")
    }
}

fn is_up(age: Duration, period: Duration) -> bool {
    (age.as_nanos() / period.as_nanos().max(1)).is_multiple_of(2)
}

fn period(text: &str) -> Result<Duration, String> {
    let milliseconds = duration::or_seconds(text).and_then(|it| u64::try_from(it).ok());
    milliseconds
        .filter(|it| *it > 0)
        .map(Duration::from_millis)
        .ok_or_else(|| "write 5s, 1m, 500ms, or seconds; more than nothing".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_he_is_up_he_is_up() {
        let seconds = Duration::from_secs;
        assert!(is_up(seconds(0), seconds(5)));
        assert!(is_up(Duration::from_millis(4999), seconds(5)));
        assert!(!is_up(seconds(5), seconds(5)));
        assert!(is_up(seconds(10), seconds(5)));
    }

    #[test]
    fn periods() {
        let of = |text| period(text).map(|period| period.as_millis());
        for (text, milliseconds) in [("5s", 5000), ("7", 7000), ("1m", 60_000), ("250ms", 250)] {
            assert_eq!(of(text), Ok(milliseconds), "{text}");
        }
        for bad in ["", "0", "0s", "s", "5 s", "-1s", "1.5s"] {
            assert!(period(bad).is_err(), "{bad}");
        }
    }
}
