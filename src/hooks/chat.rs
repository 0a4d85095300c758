//! slack_hook and discord_hook: events as messages in a chat. When the chat
//! does not take one the sender is told so, and delivers it again.

use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser;
use futures_util::FutureExt as _;

use super::event::Told;
use super::listen::Listen;
use super::receiver;
use crate::client::post::Poster;
use crate::proto::lokahi::CheckStatus;

/// Posts each event that it receives to a chat
#[derive(Debug, Parser)]
#[command(version)]
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
    let settings = Settings::parse();
    let poster = Poster::new(&settings.webhook_url).context("WEBHOOK_URL")?;
    let handle = move |event: CheckStatus| {
        let poster = poster.clone();
        async move {
            let Some(json) = service.body(&event) else {
                return Ok(());
            };
            poster.post(json).await.map_err(|error| {
                let cause = std::error::Error::source(&error);
                let cause = cause.map_or(String::new(), |cause| format!(": {cause}"));
                format!("{service:?}: {error}{cause}")
            })
        }
        .boxed()
    };
    settings
        .listen
        .serve(receiver::router(Arc::new(handle)))
        .await
}

impl Service {
    /// What the chat is sent; nothing for an event that is not of a check.
    fn body(self, event: &CheckStatus) -> Option<String> {
        let message = Told::new(event, event.check.as_ref()?).message();
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
                serde_json::json!({ "content": content, "username": "lokahi" })
            }
        };
        Some(json.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::lokahi::Check;
    use crate::proto::lokahi::check::State;

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
        insta::assert_snapshot!(Service::Slack.body(&event).unwrap(), @r#"{"text":"http://a/?x=&lt;1&gt;&amp;y is UP (status code 200, latency 1ms), playbook: http://p/"}"#);
        insta::assert_snapshot!(Service::Discord.body(&event).unwrap(), @r#"{"content":"http://a/?x=<1>&y is UP (status code 200, latency 1ms), playbook: http://p/","username":"lokahi"}"#);
        assert_eq!(Service::Slack.body(&CheckStatus::default()), None);
    }
}
