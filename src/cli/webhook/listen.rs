//! `webhook listen`: a receiver on this machine that prints what it gets, for whoever writes
//! check files or a receiver.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use clap::Args;
use futures_util::FutureExt as _;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::signing::Signing;
use crate::cli::arguments::TextOutput;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Console;
use crate::clock;
use crate::model::secret::SecretName;
use crate::proto::json::{JsonStyle, to_json};
use crate::proto::lokahi::CheckStatus;
use crate::proto::moment::time_of;
use crate::proto::twirp::{Code, Encoding, TwirpError};
use crate::serve::receiver::{Received, Reply, router};
use crate::serve::server::serve;
use crate::signature::{Signed, Verifier};

/// How many events wait to be printed before senders wait.
const QUEUE: usize = 256;
/// How many events that come with another are printed.
const CARRIED: usize = 10;

#[derive(Debug, Args)]
pub(in crate::cli) struct Listen {
    /// The port; 0 is one that is free
    #[arg(long, default_value_t = 9001)]
    port: u16,
    /// The address; 0.0.0.0 is every one of this machine
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    #[command(flatten)]
    signing: Signing,
    /// What events are answered with that are believed, to see them sent again
    #[arg(
        long,
        value_name = "CODE",
        default_value_t = 200,
        value_parser = clap::value_parser!(u16).range(200..=599)
    )]
    answer: u16,
    /// How to print events; json is an object a line
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: TextOutput,
}

/// Receives until it is interrupted.
pub(in crate::cli) async fn listen(
    what: &Listen,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let checking = match what.signing.names() {
        [] => None,
        names => Some((what.signing.verifier()?, names.to_vec())),
    };
    let at = SocketAddr::new(what.address, what.port);
    let listener = TcpListener::bind(at).await;
    let listener = listener.map_err(|error| {
        Failure::new(Exit::Server, format!("cannot listen on {at}: {error}"))
            .hint("--port takes another one; 0 is one that is free")
    })?;
    writeln!(
        console.words,
        "listening on http://{}",
        listener.local_addr()?
    )?;
    let (sender, mut events) = mpsc::channel(QUEUE);
    let (checking, answer) = (Arc::new(checking), what.answer);
    let handle = move |received: Received| {
        let (sender, checking) = (sender.clone(), Arc::clone(&checking));
        async move {
            let heard = Heard::of(received, checking.as_ref().as_ref(), answer);
            let reply = heard.reply();
            // Whoever prints has ended, and so does the server.
            sender.send(heard).await.ok();
            reply
        }
        .boxed()
    };
    let serving = serve(
        listener,
        None,
        router(Arc::new(handle)),
        CancellationToken::new(),
    );
    let printing = async {
        while let Some(heard) = events.recv().await {
            let text = match what.output {
                TextOutput::Human => heard.human(),
                TextOutput::Json => heard.json().to_string(),
            };
            writeln!(console.out, "{text}")?;
            console.out.flush()?;
        }
        Ok(Exit::Ok)
    };
    tokio::select! {
        () = serving => Ok(Exit::Ok),
        printed = printing => printed,
    }
}

/// What is to be thought of a signature.
#[derive(Debug, PartialEq, Eq)]
enum Signature {
    /// By this secret.
    Ok(SecretName),
    /// With the reason.
    Bad(String),
    /// It is not signed, and nobody asked for it.
    None,
    /// It is signed, and no secret was given.
    Unchecked,
}

impl Signature {
    fn of(received: &Received, checking: Option<&(Verifier, Vec<SecretName>)>) -> Self {
        let signed = Signed {
            id: received.header("webhook-id"),
            timestamp: received.header("webhook-timestamp"),
            signature: received.header("webhook-signature"),
        };
        let Some((verifier, names)) = checking else {
            return match signed.signature {
                None => Self::None,
                Some(_) => Self::Unchecked,
            };
        };
        match verifier.verify(&signed, &received.body, clock::now()) {
            Ok(at) => match names.get(at) {
                Some(name) => Self::Ok(name.clone()),
                None => Self::Unchecked,
            },
            Err(refused) => Self::Bad(refused.to_string()),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Ok(_) => "ok",
            Self::Bad(_) => "bad",
            Self::None => "none",
            Self::Unchecked => "unchecked",
        }
    }
}

/// What was received, and what it was answered with.
struct Heard {
    at: OffsetDateTime,
    encoding: Encoding,
    event: Result<CheckStatus, TwirpError>,
    id: String,
    attempt: String,
    signature: Signature,
    answer: u16,
}

impl Heard {
    fn of(received: Received, checking: Option<&(Verifier, Vec<SecretName>)>, answer: u16) -> Self {
        let header = |name| printable(received.header(name).unwrap_or_default());
        let signature = Signature::of(&received, checking);
        let event = received.event();
        let answer = match (&signature, &event) {
            (Signature::Bad(_), _) => 401,
            (_, Err(error)) => error.code.status(),
            _ => answer,
        };
        Self {
            at: clock::now(),
            encoding: received.encoding,
            id: header("webhook-id"),
            attempt: header("lokahi-attempt"),
            signature,
            event,
            answer,
        }
    }

    fn reply(&self) -> Reply {
        let error = match (&self.signature, &self.event) {
            (Signature::Bad(why), _) => Some(TwirpError::new(Code::Unauthenticated, why.clone())),
            (_, Err(error)) => Some(error.clone()),
            _ if (200..300).contains(&self.answer) => None,
            _ => Some(TwirpError::new(Code::Unavailable, "answered so on purpose")),
        };
        Reply {
            status: self.answer,
            error,
            retry_after: None,
        }
    }

    /// A few lines for people.
    fn human(&self) -> String {
        let at = moment(self.at);
        let mut text = match &self.event {
            Ok(event) => format!("{at} {}", told(event)),
            Err(error) => format!("{at} no event: {}", printable(&error.to_string())),
        };
        text.extend(self.event.iter().map(carried));
        let mut more: Vec<String> = Vec::new();
        if let Some(check) = self.event.as_ref().ok().and_then(|it| it.check.as_ref()) {
            let since = check.since.as_ref().map(time_of);
            more.extend(since.map(|since| format!("since {}", moment(since))));
            if !check.playbook_url.is_empty() {
                more.push(format!("playbook {}", printable(&check.playbook_url)));
            }
        }
        if !more.is_empty() {
            text.push_str(&format!("\n  {}", more.join(", ")));
        }
        let signature = match &self.signature {
            Signature::Ok(name) => format!("signature ok, by {name}"),
            Signature::Bad(why) => format!("signature bad: {why}"),
            Signature::None => "not signed".to_owned(),
            Signature::Unchecked => "signed, and not checked: --secret NAME checks it".to_owned(),
        };
        let named = |value: &str| match value {
            "" => "-".to_owned(),
            value => value.to_owned(),
        };
        text.push_str(&format!(
            "\n  webhook-id {}, attempt {}, {}, answered {}\n  {signature}",
            named(&self.id),
            named(&self.attempt),
            self.format(),
            self.answer,
        ));
        text
    }

    /// The same for programs.
    fn json(&self) -> serde_json::Value {
        let by = match &self.signature {
            Signature::Ok(name) => Some(name.as_str()),
            _ => None,
        };
        let mut error = match &self.signature {
            Signature::Bad(why) => Some(why.clone()),
            _ => None,
        };
        let event = match &self.event {
            Ok(event) => to_json(event, JsonStyle::Wire)
                .ok()
                .and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok()),
            Err(why) => {
                error.get_or_insert_with(|| why.to_string());
                None
            }
        };
        let check = self.event.as_ref().ok().and_then(|it| it.check.as_ref());
        let since = check.and_then(|check| check.since);
        json!({
            "received_at": moment(self.at),
            "type": self.event.as_ref().ok().map(|event| event.r#type.as_str()),
            "check": check.map(|check| check.name.as_str()),
            "state": check.map(|check| check.state().as_str_name()),
            "since": since.as_ref().map(time_of).map(moment),
            "playbook_url": check.map(|check| check.playbook_url.as_str()),
            "webhook_id": self.id,
            "attempt": self.attempt.parse::<u32>().ok(),
            "format": self.format(),
            "signature": self.signature.word(),
            "signed_by": by,
            "error": error,
            "answer": self.answer,
            "event": event,
        })
    }

    fn format(&self) -> &'static str {
        match self.encoding {
            Encoding::Protobuf => "protobuf",
            Encoding::Json => "json",
        }
    }
}

/// `check.down front (home): DOWN, status 500 is not 2xx`.
fn told(event: &CheckStatus) -> String {
    let kind = match event.r#type.as_str() {
        // As the original's are.
        "" => "event",
        kind => kind,
    };
    let resolved = if event.resolved { " (resolved)" } else { "" };
    let unheard = match event.unheard {
        true => " (its beginning did not arrive)",
        false => "",
    };
    let mut text = format!("{kind}{resolved}{unheard}");
    if let Some(check) = &event.check {
        let name = match check.name.as_str() {
            "" => &check.url,
            name => name,
        };
        text.push_str(&format!(" {name}"));
        if !check.project.is_empty() {
            text.push_str(&format!(" ({})", check.project));
        }
        text.push_str(&format!(": {}", check.state().as_str_name()));
    }
    if let Some(project) = &event.project {
        text.push_str(&format!(" {}: {}", project.project, project.message));
    }
    if let Some(seen) = event.evidence.last() {
        let reason = seen.reason();
        if !reason.is_empty() {
            text.push_str(&format!(", {reason}"));
        }
    }
    printable(&text)
}

/// The events that come with this one, each on a line: what a group tells, or what was not received
/// before.
fn carried(event: &CheckStatus) -> String {
    let (what, all) = match event.events.is_empty() {
        true => ("before it: ", &event.superseded),
        false => ("", &event.events),
    };
    let older = all.len().saturating_sub(CARRIED);
    let mut text = match older {
        0 => String::new(),
        older => format!("\n    {older} older"),
    };
    for it in all.iter().skip(older) {
        let at = it.at.as_ref().map(time_of).map(moment).unwrap_or_default();
        text.push_str(&format!("\n    {what}{at} {}", told(it)));
    }
    text
}

fn moment(at: OffsetDateTime) -> String {
    let seconds = at.replace_nanosecond(0).unwrap_or(at);
    seconds.format(&Rfc3339).unwrap_or_default()
}

/// What others say, on one line.
fn printable(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    text.chars().filter(|c| !c.is_control()).collect()
}
