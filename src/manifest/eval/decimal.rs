//! Fractions calculated as they are written: `0.1 + 0.2` is `0.3`, as in Terraform, though a
//! float has neither of the three. What does not fit is left to floats.

use crate::manifest::ast::Operator;

/// The most digits behind the point that are reckoned with.
const MAX_SCALE: u32 = 30;
/// Below it each whole number is a float: 2^53.
const EXACT: i128 = 1 << 53;

/// `digits / 10^scale`
#[derive(Clone, Copy)]
struct Decimal {
    digits: i128,
    scale: u32,
}

impl Decimal {
    /// The shortest decimal that is read as this float.
    fn of(float: f64) -> Option<Self> {
        let text = format!("{float:e}");
        let (mantissa, exponent) = text.split_once('e')?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let scale = i32::try_from(fraction.len()).ok()? - exponent.parse::<i32>().ok()?;
        match u32::try_from(scale) {
            Ok(scale) => Some(Self { digits, scale }),
            Err(_) => {
                let digits = digits.checked_mul(10_i128.checked_pow(scale.unsigned_abs())?)?;
                Some(Self { digits, scale: 0 })
            }
        }
        .filter(|decimal| decimal.scale <= MAX_SCALE)
    }

    fn scaled(self, scale: u32) -> Option<i128> {
        let more = 10_i128.checked_pow(scale.checked_sub(self.scale)?)?;
        self.digits.checked_mul(more)
    }

    /// The nearest float.
    fn float(self) -> Option<f64> {
        format!("{}e-{}", self.digits, self.scale).parse().ok()
    }
}

/// The result of two numbers that are not both whole; `None` for what only floats can say.
pub(super) fn calculated(operator: Operator, a: f64, b: f64) -> Option<f64> {
    let (a, b) = (Decimal::of(a)?, Decimal::of(b)?);
    if operator == Operator::Times {
        let digits = a.digits.checked_mul(b.digits)?;
        let scale = a.scale + b.scale;
        return Decimal { digits, scale }.float();
    }
    let scale = a.scale.max(b.scale);
    let (a, b) = (a.scaled(scale)?, b.scaled(scale)?);
    let digits = match operator {
        Operator::Plus => a.checked_add(b)?,
        Operator::Minus => a.checked_sub(b)?,
        Operator::Modulo => a.checked_rem(b)?,
        Operator::Divide if a.checked_rem(b)? == 0 => {
            let digits = a / b;
            return Decimal { digits, scale: 0 }.float();
        }
        Operator::Divide if a.abs() < EXACT && b.abs() < EXACT => {
            return Some(a as f64 / b as f64);
        }
        _ => return None,
    };
    Decimal { digits, scale }.float()
}

/// The sum of two numbers.
pub(super) fn sum(a: f64, b: f64) -> f64 {
    calculated(Operator::Plus, a, b).unwrap_or(a + b)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn as_it_is_written() {
        for (a, operator, b, expect) in [
            (0.1, Operator::Plus, 0.2, Some(0.3)),
            (0.3, Operator::Minus, 0.1, Some(0.2)),
            (1.1, Operator::Times, 1.1, Some(1.21)),
            (0.3, Operator::Divide, 0.1, Some(3.0)),
            (1.0, Operator::Divide, 0.3, Some(1.0 / 0.3)),
            (0.7, Operator::Modulo, 0.1, Some(0.0)),
            (-0.7, Operator::Modulo, 0.2, Some(-0.1)),
            (1e300, Operator::Plus, 0.1, None),
            (1e-300, Operator::Plus, 0.1, None),
            (0.1, Operator::Modulo, 0.0, None),
        ] {
            assert_eq!(
                calculated(operator, a, b),
                expect,
                "{a} {} {b}",
                operator.sign()
            );
        }
    }

    proptest! {
        #[test]
        fn near_to_what_floats_say(a in -1e9_f64..1e9, b in -1e9_f64..1e9) {
            for (operator, float) in [(Operator::Plus, a + b), (Operator::Minus, a - b), (Operator::Times, a * b), (Operator::Divide, a / b)] {
                if let Some(found) = calculated(operator, a, b) {
                    let room = f64::EPSILON * 2.0 * a.abs().max(b.abs()).max(float.abs());
                    prop_assert!((found - float).abs() <= room, "{a} {} {b} is {found}", operator.sign());
                }
            }
        }
    }
}
