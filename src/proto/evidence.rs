//! What a probe saw, in words.

use super::lokahi::Evidence;

impl Evidence {
    /// Why the probe was no success, or not a whole one: its class, and what was seen. Empty
    /// for a success.
    pub fn reason(&self) -> String {
        match (self.error_class.as_str(), self.detail.as_str()) {
            _ if self.outcome == "up" && !self.degraded => String::new(),
            ("", "") => self.outcome.clone(),
            ("", detail) => detail.to_owned(),
            (class, "") => class.to_owned(),
            (class, detail) => format!("{class}: {detail}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_the_class_and_what_was_seen() {
        let reason = |outcome: &str, error_class: &str, detail: &str| {
            let evidence = Evidence {
                outcome: outcome.to_owned(),
                error_class: error_class.to_owned(),
                detail: detail.to_owned(),
                ..Evidence::default()
            };
            evidence.reason()
        };
        assert_eq!(reason("up", "", "the body was cut"), "");
        assert_eq!(
            reason("down", "", "status 500 is not 2xx"),
            "status 500 is not 2xx"
        );
        assert_eq!(reason("error", "reset", ""), "reset");
        assert_eq!(reason("error", "reset", "too early"), "reset: too early");
        assert_eq!(reason("unknown", "", ""), "unknown");
    }
}
