//! slack_hook and discord_hook: events as messages in a chat. When the chat
//! does not take one the sender is told so, and delivers it again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use futures_util::FutureExt as _;

use super::event;
use super::listen::{Listen, parse};
use super::receiver;
use crate::egress::policy::AddressPolicy;
use crate::egress::resolver::Resolver;
use crate::egress::tls::Trust;
use crate::egress::webhook::WebhookClient;
use crate::model::value::{HttpUrl, InvalidValue};
use crate::proto::lokahi::CheckStatus;

/// How long a chat may take.
const TIMEOUT: Duration = Duration::from_secs(15);

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
    let settings: Settings = parse();
    let url: HttpUrl = settings.webhook_url.parse().map_err(|error| {
        // The URL is a secret: only what is wrong with it is said.
        anyhow::anyhow!(match error {
            InvalidValue::TooLong { .. } => "WEBHOOK_URL is too long",
            InvalidValue::Credentials => "WEBHOOK_URL must not carry a user name or password",
            _ => "WEBHOOK_URL is not an http or https URL",
        })
    })?;
    let client = WebhookClient::new(
        Arc::new(Resolver::system()),
        AddressPolicy::new(&[], &[], false),
        &Trust::native(),
    )
    .context("making the HTTP client")?;
    let handle = move |event: CheckStatus| {
        let (client, url) = (client.clone(), url.clone());
        async move {
            let Some(json) = service.body(&event) else {
                return Ok(());
            };
            let headers = [("content-type", "application/json".to_owned())];
            let posted = client
                .post(&url, &headers, json.into_bytes(), TIMEOUT)
                .await;
            match (posted.status, posted.error) {
                (Some(200..=299), _) => Ok(()),
                (Some(status), _) => Err(format!("{service:?} answered with status {status}")),
                (None, error) => Err(format!(
                    "{service:?} gave no answer: {}",
                    error.unwrap_or_default()
                )),
            }
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
    fn body(self, event: &CheckStatus) -> Option<String> {
        let message = event::message(event)?;
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
        insta::assert_snapshot!(Service::Slack.body(&event).unwrap(), @r#"{"text":"UP http://a/?x=&lt;1&gt;&amp;y – http://p/"}"#);
        insta::assert_snapshot!(Service::Discord.body(&event).unwrap(), @r#"{"content":"UP http://a/?x=<1>&y – http://p/","username":"lokahi"}"#);
        assert_eq!(Service::Slack.body(&CheckStatus::default()), None);
    }
}
