//! slack_hook and discord_hook: events as messages in a chat. When the chat
//! does not take one the sender is told so, and delivers it again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use futures_util::FutureExt as _;
use time::OffsetDateTime;

use super::event::{self, Chat};
use super::listen::{Listen, parse};
use super::receiver::{self, NotPassedOn};
use crate::clock;
use crate::egress::policy::AddressPolicy;
use crate::egress::resolver::Resolver;
use crate::egress::tls::Trust;
use crate::egress::veil::Veil;
use crate::egress::webhook::{Posted, WebhookClient};
use crate::model::value::{HttpUrl, InvalidValue};
use crate::proto::lokahi::CheckStatus;

/// How long a chat may take: less than the 15 s that lokahi waits for a receiver, so that there is
/// time left to say that the chat was slow.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How much of what it answers is told, in characters.
const SAID: usize = 200;

const EXAMPLES: &str = "\
Examples:
  WEBHOOK_URL=https://hooks.slack.com/services/T0/B0/XYZ slack_hook --port 9002
  WEBHOOK_URL=https://discord.com/api/webhooks/1/XYZ discord_hook --port 9003

In the check files, for the one on this machine:
  webhook \"chat\" {
    url    = \"http://localhost:9002/\"
    format = \"json\"
  }";

/// Posts each event that it receives to a chat
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Settings {
    #[command(flatten)]
    listen: Listen,
    /// The chat's incoming webhook
    #[arg(long, env = "WEBHOOK_URL", hide_env_values = true, value_name = "URL")]
    webhook_url: String,
}

/// Which chat.
#[derive(Clone, Copy, Debug)]
pub(super) enum Service {
    Slack,
    Discord,
}

pub(super) async fn run(service: Service) -> anyhow::Result<()> {
    let settings: Settings = parse();
    let url: Result<HttpUrl, InvalidValue> = settings.webhook_url.parse();
    let url = url.map_err(|error| anyhow::anyhow!("WEBHOOK_URL {}", error.of_secret()))?;
    let client = WebhookClient::new(
        Arc::new(Resolver::system()),
        AddressPolicy::new(&[], &[], false),
        &Trust::native(),
    )
    .context("making the HTTP client")?;
    let handle = move |event: CheckStatus| {
        let (client, url) = (client.clone(), url.clone());
        async move {
            let Some(json) = service.body(&event, clock::now()) else {
                return Ok(());
            };
            let headers = [("content-type", "application/json".to_owned())];
            let posted = client
                .post(&url, &headers, json.into_bytes(), TIMEOUT)
                .await;
            service.ended(posted, &Veil::over_url(&url.parse()))
        }
        .boxed()
    };
    settings
        .listen
        .serve(receiver::router(Arc::new(handle)))
        .await
}

impl Service {
    /// What the chat is sent; nothing for an event that nobody here knows.
    fn body(self, event: &CheckStatus, now: OffsetDateTime) -> Option<String> {
        let plain = match self {
            // All of it is escaped at once, below.
            Self::Slack => str::to_owned,
            Self::Discord => without_markdown,
        };
        let message = event::message(event, Chat { now, plain })?;
        let json = match self {
            // https://api.slack.com/reference/surfaces/formatting#escaping
            Self::Slack => {
                let text = message
                    .replace('&', "&amp;")
                    .replace('<', "&lt;")
                    .replace('>', "&gt;");
                serde_json::json!({ "text": text })
            }
            // At most 2,000 characters are taken.
            Self::Discord => {
                let content: String = message.chars().take(2000).collect();
                // What a site says calls nobody:
                // https://discord.com/developers/docs/resources/message#allowed-mentions-object
                serde_json::json!({
                    "content": content, "username": "lokahi", "allowed_mentions": { "parse": [] },
                })
            }
        };
        Some(json.to_string())
    }

    /// What became of a message. The chat's URL is a secret, and nothing of it is said.
    fn ended(self, posted: Posted, veil: &Veil) -> Result<(), NotPassedOn> {
        let why = match (posted.status, posted.error) {
            (Some(200..=299), _) => return Ok(()),
            (Some(status), _) => format!(
                "{self:?} answered with status {status}{}",
                what_it_said(&veil.cover(posted.excerpt))
            ),
            (None, error) => format!("{self:?}: {}", veil.cover(error.unwrap_or_default())),
        };
        Err(NotPassedOn {
            why,
            status: match posted.status {
                // It has too much to do, and lokahi waits as it asks.
                Some(429) => 429,
                _ => 502,
            },
            retry_after: posted.retry_after,
        })
    }
}

/// What Discord takes for markup: <https://support.discord.com/hc/en-us/articles/210298617>.
fn without_markdown(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\*_~`|[]<>#".contains(c) {
            plain.push('\\');
        }
        plain.push(c);
    }
    plain
}

/// The beginning of an answer, in one line.
fn what_it_said(excerpt: &str) -> String {
    let words: Vec<&str> = excerpt.split_whitespace().collect();
    let words = words.join(" ");
    let said: String = words
        .chars()
        .filter(|c| !c.is_control())
        .take(SAID)
        .collect();
    match said.is_empty() {
        true => said,
        false => format!(": {said}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::webhook::AttemptTimeout;
    use crate::proto::lokahi::check::State;
    use crate::proto::lokahi::{Check, Evidence};

    #[test]
    fn messages() {
        let event = CheckStatus {
            check: Some(Check {
                url: "http://a/?x=<1>&y".into(),
                state: State::Up.into(),
                playbook_url: "http://p/".into(),
                ..Check::default()
            }),
            last_response_time_nanoseconds: 1_000_000,
            resp_status_code: 200,
            ..CheckStatus::default()
        };
        let now = clock::now();
        insta::assert_snapshot!(Service::Slack.body(&event, now).unwrap(), @r#"{"text":"UP http://a/?x=&lt;1&gt;&amp;y – http://p/"}"#);
        insta::assert_snapshot!(Service::Discord.body(&event, now).unwrap(), @r#"{"allowed_mentions":{"parse":[]},"content":"UP http://a/?x=<1>&y – http://p/","username":"lokahi"}"#);
        assert_eq!(Service::Slack.body(&CheckStatus::default(), now), None);
    }

    #[test]
    fn what_a_site_says_is_no_markup() {
        let event = CheckStatus {
            r#type: "check.down".into(),
            check: Some(Check {
                name: "api_front".into(),
                url: "http://a/b_c_d".into(),
                state: State::Down.into(),
                ..Check::default()
            }),
            evidence: vec![Evidence {
                outcome: "down".into(),
                detail: "status is @everyone **free** [click](http://evil.example)".into(),
                ..Evidence::default()
            }],
            ..CheckStatus::default()
        };
        insta::assert_snapshot!(Service::Discord.body(&event, clock::now()).unwrap(), @r#"{"allowed_mentions":{"parse":[]},"content":"DOWN api\\_front: status is @everyone \\*\\*free\\*\\* \\[click\\](http://evil.example) – http://a/b_c_d","username":"lokahi"}"#);
    }

    #[test]
    fn what_a_chat_answers_is_one_line() {
        assert_eq!(what_it_said(""), "");
        assert_eq!(what_it_said("invalid_payload\n"), ": invalid_payload");
        assert_eq!(what_it_said(&"x ".repeat(500)).chars().count(), 2 + SAID);
    }

    #[test]
    fn a_chat_that_hangs_is_answered_for_in_time() {
        assert!(TIMEOUT + Duration::from_secs(3) < AttemptTimeout::default().duration());
        let ended = |status, error: Option<&str>, excerpt: &str| {
            let posted = Posted {
                status,
                error: error.map(str::to_owned),
                excerpt: excerpt.to_owned(),
                ..Posted::default()
            };
            let url: HttpUrl = "https://hooks.test/services/T000/k3y".parse().unwrap();
            let veil = Veil::over_url(&url.parse());
            let ended = Service::Slack.ended(posted, &veil).unwrap_err();
            format!("{} {}", ended.status, ended.why)
        };
        assert_eq!(
            ended(None, Some("no answer within 10s"), ""),
            "502 Slack: no answer within 10s"
        );
        assert_eq!(
            ended(Some(404), None, "no T000 at /services/T000/k3y"),
            "502 Slack answered with status 404: no [secret] at [secret]"
        );
        assert_eq!(
            ended(Some(429), None, ""),
            "429 Slack answered with status 429"
        );
    }
}
