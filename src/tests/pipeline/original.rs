//! Events as a receiver of the original reads them: by a decoder that is made here of the
//! original's fields alone. Each of those has what it always had, and what is new is passed over.

use std::collections::BTreeSet;

use lokahi::model::check::Assert;
use lokahi::model::health::State;
use lokahi::model::webhook::{EventType, WebhookFormat, WebhookSpec};
use lokahi::proto::DESCRIPTORS;
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value,
};
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use super::peers::{Receiver, Site};
use super::shop::Shop;
use crate::support::until;

const EVENT: &str = "github.xe.lokahi.CheckStatus";

/// The original's messages, which are the text of one file.
struct Text;

impl FileResolver for Text {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match name {
            "original.proto" => File::from_source(name, include_str!("original.proto")),
            name => Err(protox::Error::file_not_found(name)),
        }
    }
}

fn original() -> MessageDescriptor {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Text);
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.open_file("original.proto").unwrap();
    let pool = compiler.descriptor_pool();
    pool.get_message_by_name(EVENT).unwrap()
}

fn today() -> MessageDescriptor {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    pool.get_message_by_name(EVENT).unwrap()
}

/// Something in every field, of a message within a message as well.
fn filled(of: &MessageDescriptor, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(of.clone());
    for field in of.fields() {
        let value = |kind: &Kind| {
            Some(match kind {
                Kind::Double => Value::F64(f64::from(field.number()) + 0.5),
                Kind::Float => Value::F32(0.5),
                Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(-7),
                Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(i64::MIN),
                Kind::Uint32 | Kind::Fixed32 => Value::U32(u32::MAX),
                Kind::Uint64 | Kind::Fixed64 => Value::U64(u64::MAX),
                Kind::Bool => Value::Bool(true),
                Kind::String => Value::String(format!("{} \u{fffd}", field.name())),
                Kind::Bytes => Value::Bytes(vec![0, 255].into()),
                Kind::Enum(of) => Value::EnumNumber(of.values().last()?.number()),
                Kind::Message(of) if depth > 0 => Value::Message(filled(of, depth - 1)),
                Kind::Message(_) => return None,
            })
        };
        let value = match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                let of = entry.map_entry_value_field().kind();
                value(&of).map(|it| Value::Map([(MapKey::String("k".into()), it)].into()))
            }
            kind if field.is_list() => value(&kind).map(|it| Value::List(vec![it.clone(), it])),
            kind => value(&kind),
        };
        if let Some(value) = value {
            message.set_field(&field, value);
        }
    }
    message
}

/// Every field that the original knows is what it is today.
fn same(original: &DynamicMessage, today: &DynamicMessage, path: &str) {
    for field in original.descriptor().fields() {
        let path = format!("{path}.{}", field.name());
        let known = today.descriptor().get_field(field.number()).unwrap();
        assert_eq!(known.name(), field.name());
        match (
            original.get_field(&field).as_ref(),
            today.get_field(&known).as_ref(),
        ) {
            (Value::Message(original), Value::Message(today)) => same(original, today, &path),
            (original, today) => assert_eq!(original, today, "{path}"),
        }
    }
}

/// Reads the bytes as both do.
fn read(bytes: &[u8]) -> DynamicMessage {
    let read = DynamicMessage::decode(original(), bytes).unwrap();
    same(&read, &DynamicMessage::decode(today(), bytes).unwrap(), "");
    assert!(read.unknown_fields().count() > 0, "something is new");
    read
}

/// Those of checks that a receiver of protobuf can ask for.
fn types() -> impl Iterator<Item = String> {
    let all = EventType::ALL.iter().map(ToString::to_string);
    all.filter(|it| it.starts_with("check.") && it != "check.stale")
}

#[test]
fn every_field_that_there_could_be_is_passed_over() {
    let mut message = filled(&today(), 3);
    for of in types() {
        message.set_field_by_name("type", Value::String(of));
        let read = read(&message.encode_to_vec());
        let check = read.get_field_by_name("check").unwrap();
        let Value::Message(check) = check.as_ref() else {
            panic!("{check:?}");
        };
        let state = check.get_field_by_name("state").unwrap();
        assert_eq!(state.as_ref(), &Value::EnumNumber(3));
    }
}

#[test]
fn what_is_new_in_the_messages_of_the_original_begins_at_16() {
    let (original, today) = (original(), today());
    for message in original.parent_pool().all_messages() {
        let pool = today.parent_pool();
        let now = pool.get_message_by_name(message.full_name()).unwrap();
        let known: BTreeSet<u32> = message.fields().map(|field| field.number()).collect();
        let mut new = now
            .fields()
            .filter(|field| !known.contains(&field.number()));
        assert!(new.all(|field| field.number() >= 16), "{}", message.name());
    }
}

#[tokio::test]
async fn what_is_sent_is_what_the_original_reads() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    // Those take minutes.
    let late = ["check.flapping", "check.reminder"];
    let wanted: BTreeSet<String> = types().filter(|it| !late.contains(&it.as_str())).collect();
    let spec = WebhookSpec {
        events: wanted.iter().map(|it| it.parse().unwrap()).collect(),
        ..WebhookSpec::new(receiver.url.parse().unwrap(), WebhookFormat::Protobuf)
    };
    let told = shop.receiver_with("original", spec).await;
    let playbook = "https://wiki.example.com/web";
    let hard = shop
        .wish("hard", &site.url, |spec| {
            spec.playbook_url = Some(playbook.parse().unwrap());
        })
        .await;
    let status = |label: &str, codes: &[&str]| Assert {
        label: label.to_owned(),
        status: codes.iter().map(|code| code.parse().unwrap()).collect(),
        ..Assert::default()
    };
    let soft = shop
        .wish("soft", &site.url, |spec| {
            spec.asserts = vec![status("", &["200", "500"])];
            spec.warns = vec![status("fresh", &["200"])];
        })
        .await;
    let nobody = format!("http://127.0.0.1:{}/", crate::support::free_port());
    let gone = shop.wish("gone", &nobody, |_| ()).await;
    for check in [&hard, &soft, &gone] {
        shop.create(check, &[told]).await;
    }
    shop.until(hard.id, State::Up).await;
    shop.until(soft.id, State::Up).await;
    shop.until(gone.id, State::Error).await;
    let types = || -> BTreeSet<String> {
        let taken = receiver.taken().into_iter();
        taken.map(|it| it.event().r#type).collect()
    };
    site.set(false);
    until("the outages were told", async || {
        types().len() == 3 && types().contains("check.degraded")
    })
    .await;
    site.set(true);
    shop.edit(&gone, |spec| spec.enabled = false).await;
    until("the ends were told", async || types() == wanted).await;

    for taken in receiver.taken() {
        let (event, read) = (taken.event(), read(&taken.body));
        let check = event.check.unwrap();
        let shown = read.get_field_by_name("check").unwrap();
        let shown = shown.as_message().unwrap();
        let text = |name: &str| {
            shown
                .get_field_by_name(name)
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(text("id"), check.id);
        assert_eq!(text("url"), check.url);
        if check.name == "hard" {
            assert_eq!(text("playbook_url"), playbook);
        }
        let state = match event.r#type.as_str() {
            "check.up" | "check.degraded" => 1,
            "check.down" => 2,
            "check.error" => 3,
            _ => 0,
        };
        let seen = shown.get_field_by_name("state").unwrap();
        assert_eq!(seen.as_ref(), &Value::EnumNumber(state), "{}", event.r#type);
        let code = read.get_field_by_name("resp_status_code").unwrap();
        if event.r#type == "check.down" {
            assert_eq!(code.as_i32(), Some(500));
        }
    }
}
