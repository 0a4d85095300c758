//! The phases of a probe, each a bar where it lies in the time of all.

use std::time::Duration;

use super::code;
use crate::model::observation::{Hop, Phases};

/// The width of all bars together, in characters.
const WIDTH: usize = 40;

/// A line for each phase that took any time, and one for the total. Where redirects were followed
/// each request has a line of its own, before its phases.
pub(super) fn waterfall(phases: &Phases, hops: &[Hop]) -> String {
    let whole = phases.total;
    let mut text = String::new();
    if hops.is_empty() {
        text.push_str(&rows(phases, Duration::ZERO, whole));
    }
    let mut begun = Duration::ZERO;
    for hop in hops {
        let took = shown(hop.phases.total);
        let url = &hop.url;
        let kept = match hop.reused {
            true => " (over an open connection)",
            false => "",
        };
        text.push_str(&format!(
            "  {:<10} {took:>10}  {url}{kept}\n",
            code(hop.status)
        ));
        text.push_str(&rows(&hop.phases, begun, whole));
        begun += hop.phases.total;
    }
    text + &format!("  {:<10} {:>10}\n", "total", shown(whole))
}

/// The phases of a request that began so long after the probe.
fn rows(phases: &Phases, mut begun: Duration, whole: Duration) -> String {
    let rows = [
        ("dns", phases.dns),
        ("connect", phases.connect),
        ("tls", phases.tls),
        ("write", phases.write),
        ("first byte", phases.first_byte),
        ("transfer", phases.transfer),
    ];
    let mut text = String::new();
    for (name, took) in rows {
        if took.is_zero() {
            continue;
        }
        text.push_str(&format!(
            "  {name:<10} {:>10}  {}\n",
            shown(took),
            bar(begun, took, whole)
        ));
        begun += took;
    }
    text
}

/// Where a part lies in the whole; at least one character wide.
fn bar(begun: Duration, took: Duration, total: Duration) -> String {
    let part = |time: Duration| {
        let share = time.as_secs_f64() / total.as_secs_f64().max(f64::MIN_POSITIVE);
        (share * WIDTH as f64).round() as usize
    };
    let before = part(begun).min(WIDTH - 1);
    let width = part(took).clamp(1, WIDTH - before);
    format!("{}{}", " ".repeat(before), "#".repeat(width))
}

/// Three digits that count.
fn shown(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..1_000_000 => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        _ => format!("{:.2} s", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_lie_where_their_time_does() {
        let ms = Duration::from_millis;
        let phases = Phases {
            connect: ms(100),
            write: Duration::from_micros(50),
            first_byte: ms(200),
            transfer: ms(100),
            total: ms(400),
            ..Phases::default()
        };
        let expected = "\
\x20 connect      100.0 ms  ##########
\x20 write           50 us            #
\x20 first byte   200.0 ms            ####################
\x20 transfer     100.0 ms                                ##########
\x20 total        400.0 ms
";
        assert_eq!(waterfall(&phases, &[]), expected);
    }

    #[test]
    fn each_hop_has_its_own_part_of_the_width() {
        let ms = Duration::from_millis;
        let hop = |url: &str, status, connect| Hop {
            url: url.to_owned(),
            status,
            address: "127.0.0.1:80".into(),
            phases: Phases {
                connect,
                first_byte: ms(100),
                total: connect + ms(100),
                ..Phases::default()
            },
            certificate_not_after: None,
            reused: connect.is_zero(),
        };
        let hops = [
            hop("http://a.example/", 301, ms(100)),
            hop("http://a.example/b", 302, ms(0)),
            hop("http://c.example/", 0, ms(0)),
        ];
        let phases = Phases {
            total: ms(400),
            ..Phases::default()
        };
        let expected = "\
\x20 301          200.0 ms  http://a.example/
\x20 connect      100.0 ms  ##########
\x20 first byte   100.0 ms            ##########
\x20 302          100.0 ms  http://a.example/b (over an open connection)
\x20 first byte   100.0 ms                      ##########
\x20 ---          100.0 ms  http://c.example/ (over an open connection)
\x20 first byte   100.0 ms                                ##########
\x20 total        400.0 ms
";
        assert_eq!(waterfall(&phases, &hops), expected);
    }
}
