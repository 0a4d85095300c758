//! The phases of a probe, each a bar where it lies in the time of all.

use std::time::Duration;

use crate::model::observation::Phases;

/// The width of all bars together, in characters.
const WIDTH: usize = 40;

/// A line for each phase that took any time, and one for the total.
pub(super) fn waterfall(phases: &Phases) -> String {
    let rows = [
        ("dns", phases.dns),
        ("connect", phases.connect),
        ("tls", phases.tls),
        ("write", phases.write),
        ("first byte", phases.first_byte),
        ("transfer", phases.transfer),
    ];
    let mut text = String::new();
    let mut begun = Duration::ZERO;
    for (name, took) in rows {
        if took.is_zero() {
            continue;
        }
        text.push_str(&format!(
            "  {name:<10} {:>10}  {}\n",
            shown(took),
            bar(begun, took, phases.total)
        ));
        begun += took;
    }
    text + &format!("  {:<10} {:>10}\n", "total", shown(phases.total))
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
        assert_eq!(waterfall(&phases), expected);
    }
}
