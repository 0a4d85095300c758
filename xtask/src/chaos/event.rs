//! What receivers are sent, as far as it is compared with what Postgres has: read from the bytes,
//! by what docs/wire.md says of them.

use anyhow::{Context, Result, bail};
use prost::Message as _;
use serde_json::Value;

/// An event, and the earlier ones that it lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) sequence: i64,
    /// The page that its check watches; of earlier ones it may be missing.
    pub(super) check: String,
    pub(super) superseded: Vec<String>,
    /// It ends what its receiver has heard nothing of.
    pub(super) unheard: bool,
    /// It ends what an event of its type began.
    pub(super) resolved: bool,
    /// The project that it is of, and the receiver of that; of a check both are missing.
    pub(super) project: String,
    pub(super) about: String,
    /// Of a group, those that it tells together.
    pub(super) events: Vec<Self>,
    /// States by their numbers.
    pub(super) previous: i32,
    pub(super) state: i32,
    pub(super) incident: String,
    /// How often it was seen to be so.
    pub(super) seen: usize,
    /// Of those that it lists, how many are told without what was seen.
    pub(super) unseen: usize,
}

/// The number of a state by its name in JSON, where the first one may be left out.
fn number(name: &Value) -> i32 {
    let all = ["INIT", "UP", "DOWN", "ERROR"];
    let number = (0..).zip(all).find(|(_, it)| name.as_str() == Some(it));
    number.map_or(-1, |(number, _)| number)
}

/// The fields of github.xe.lokahi.CheckStatus that matter here.
#[derive(Clone, PartialEq, prost::Message)]
struct CheckStatus {
    #[prost(message, optional, tag = "1")]
    check: Option<Check>,
    #[prost(string, tag = "16")]
    kind: String,
    #[prost(string, tag = "17")]
    event_id: String,
    #[prost(int64, tag = "18")]
    sequence: i64,
    #[prost(int32, tag = "19")]
    previous_state: i32,
    #[prost(string, tag = "21")]
    incident: String,
    #[prost(bytes = "vec", repeated, tag = "22")]
    evidence: Vec<Vec<u8>>,
    #[prost(message, optional, tag = "25")]
    project: Option<ProjectEvent>,
    #[prost(bool, tag = "26")]
    resolved: bool,
    #[prost(message, repeated, tag = "27")]
    superseded: Vec<Self>,
    #[prost(bool, tag = "28")]
    unheard: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ProjectEvent {
    #[prost(string, tag = "1")]
    project: String,
    #[prost(string, tag = "7")]
    receiver: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Check {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(int32, tag = "7")]
    state: i32,
}

impl Event {
    pub(super) fn read(content_type: &str, body: &[u8]) -> Result<Self> {
        match content_type {
            "application/protobuf" => Self::of_payload(body),
            "application/json" => Self::of_json(&serde_json::from_slice(body)?),
            other => bail!("a body that is {other:?}"),
        }
    }

    /// As Postgres has it.
    pub(super) fn of_payload(payload: &[u8]) -> Result<Self> {
        Ok(Self::of_protobuf(CheckStatus::decode(payload)?))
    }

    fn of_protobuf(status: CheckStatus) -> Self {
        let about = status.project.unwrap_or_default();
        let check = status.check.unwrap_or_default();
        let unseen = status.superseded.iter().filter(|it| it.evidence.is_empty());
        Self {
            previous: status.previous_state,
            state: check.state,
            incident: status.incident,
            seen: status.evidence.len(),
            unseen: unseen.count(),
            kind: status.kind,
            id: status.event_id,
            sequence: status.sequence,
            check: check.id,
            superseded: status
                .superseded
                .into_iter()
                .map(|it| it.event_id)
                .collect(),
            unheard: status.unheard,
            resolved: status.resolved,
            project: about.project,
            about: about.receiver,
            // Those who want this form get each by itself.
            events: Vec::new(),
        }
    }

    /// An envelope or the bare message.
    fn of_json(body: &Value) -> Result<Self> {
        let event = Self::of_message(body.get("data").unwrap_or(body))?;
        let envelope = body.get("data").and(body.get("type"));
        if envelope.is_some_and(|kind| kind.as_str() != Some(&event.kind)) {
            bail!("an envelope of another type than its event");
        }
        Ok(event)
    }

    fn of_message(status: &Value) -> Result<Self> {
        let text = |place: &str| status.pointer(place).and_then(Value::as_str);
        let id = |it: &Value| {
            it.get("event_id")
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let is = |name: &str| status.get(name).and_then(Value::as_bool) == Some(true);
        let all = |name: &str| status.get(name).and_then(Value::as_array);
        let all = |name: &str| all(name).into_iter().flatten();
        let state = |place: &str| status.pointer(place).map_or(0, number);
        Ok(Self {
            previous: state("/previous_state"),
            state: state("/check/state"),
            incident: text("/incident").unwrap_or_default().to_owned(),
            seen: all("evidence").count(),
            unseen: all("superseded")
                .filter(|it| it.get("evidence").is_none())
                .count(),
            kind: text("/type").context("an event without a type")?.to_owned(),
            id: id(status).context("an event without an id")?,
            sequence: text("/sequence").unwrap_or("0").parse()?,
            check: text("/check/id").unwrap_or_default().to_owned(),
            superseded: all("superseded").filter_map(id).collect(),
            unheard: is("unheard"),
            resolved: is("resolved"),
            project: text("/project/project").unwrap_or_default().to_owned(),
            about: text("/project/receiver").unwrap_or_default().to_owned(),
            events: all("events").map(Self::of_message).collect::<Result<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_say_the_same() {
        let expected = Event {
            kind: "check.up".to_owned(),
            id: "e2".to_owned(),
            sequence: 2,
            check: "c".to_owned(),
            superseded: vec!["e1".to_owned()],
            unheard: true,
            previous: 2,
            state: 1,
            incident: "i".to_owned(),
            seen: 2,
            unseen: 1,
            ..Event::default()
        };
        let bare = r#"{"check":{"id":"c","state":"UP"},"type":"check.up","event_id":"e2",
            "sequence":"2","previous_state":"DOWN","incident":"i","evidence":[{},{}],
            "superseded":[{"event_id":"e1"}],"unheard":true}"#;
        let envelope = format!(r#"{{"type":"check.up","timestamp":"t","data":{bare}}}"#);
        for json in [bare, envelope.as_str()] {
            let event = Event::read("application/json", json.as_bytes()).unwrap();
            assert_eq!(event, expected);
        }
        let group = format!(
            r#"{{"type":"group","data":{{"type":"group","event_id":"g","events":[{bare}]}}}}"#
        );
        let group = Event::read("application/json", group.as_bytes()).unwrap();
        assert_eq!(
            (group.kind.as_str(), group.events),
            ("group", vec![expected.clone()])
        );
        let lying = envelope.replacen("check.up", "check.down", 1);
        assert!(Event::read("application/json", lying.as_bytes()).is_err());
        let earlier = CheckStatus {
            event_id: "e1".to_owned(),
            ..CheckStatus::default()
        };
        let status = CheckStatus {
            check: Some(Check {
                id: "c".to_owned(),
                state: 1,
            }),
            previous_state: 2,
            incident: "i".to_owned(),
            evidence: vec![Vec::new(); 2],
            kind: "check.up".to_owned(),
            event_id: "e2".to_owned(),
            sequence: 2,
            superseded: vec![earlier],
            unheard: true,
            ..CheckStatus::default()
        };
        let event = Event::read("application/protobuf", &status.encode_to_vec()).unwrap();
        assert_eq!(event, expected);
    }

    #[test]
    fn what_is_told_of_a_project() {
        let of_project = Event {
            kind: "receiver.failing".to_owned(),
            id: "e3".to_owned(),
            resolved: true,
            project: "p".to_owned(),
            about: "r".to_owned(),
            ..Event::default()
        };
        let json = r#"{"type":"receiver.failing","event_id":"e3","resolved":true,
            "project":{"project":"p","receiver":"r"}}"#;
        let status = CheckStatus {
            kind: "receiver.failing".to_owned(),
            event_id: "e3".to_owned(),
            resolved: true,
            project: Some(ProjectEvent {
                project: "p".to_owned(),
                receiver: "r".to_owned(),
            }),
            ..CheckStatus::default()
        };
        let event = Event::read("application/json", json.as_bytes()).unwrap();
        assert_eq!(event, of_project);
        assert_eq!(
            Event::of_payload(&status.encode_to_vec()).unwrap(),
            of_project
        );
    }
}
