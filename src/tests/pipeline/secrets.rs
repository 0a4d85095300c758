//! Secrets of declared checks and receivers: used by the workers, and nowhere else to be found.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use base64::Engine as _;
use futures_util::StreamExt as _;
use lokahi::files::private::random_hex;
use lokahi::model::check::{Assert, CheckSpec, Every, Method};
use lokahi::model::scalar::Scalar;
use lokahi::model::secret::{Piece, Text};
use lokahi::model::webhook::{ReceiverUrl, WebhookFormat, WebhookSpec};
use lokahi::proto::lokahi::check::State as Seen;
use lokahi::proto::lokahi::{Allowances, ApplyResult, Check, ListOpts};

use super::fleet::Fleet;
use super::peers::serve;
use crate::support::declaring::Declaring;
use crate::support::servers::servers;
use crate::support::until;

type Heard = Arc<Mutex<Vec<String>>>;

/// A site, or a receiver, that says back all that it is told.
struct Parrot {
    url: String,
    heard: Heard,
    server: tokio::task::JoinHandle<()>,
}

impl Parrot {
    async fn start(status: StatusCode) -> Self {
        let heard = Heard::default();
        let say =
            async move |State(heard): State<Heard>, uri: Uri, headers: HeaderMap, body: Bytes| {
                let told = headers.get("authorization");
                let told = told.map_or("", |value| value.to_str().unwrap());
                let text = format!("{uri} {told} {}", String::from_utf8_lossy(&body));
                heard.lock().unwrap().push(text.clone());
                (status, text)
            };
        let router = Router::new().fallback(say).with_state(Arc::clone(&heard));
        let (url, server) = serve(router).await;
        Self { url, heard, server }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

impl Drop for Parrot {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What a project declares; files cannot be asked here: this is about what becomes of it.
#[derive(Default)]
struct Project {
    checks: BTreeMap<&'static str, CheckSpec>,
    webhooks: BTreeMap<&'static str, WebhookSpec>,
}

impl Project {
    async fn apply(&self, fleet: &Fleet, name: &str) -> Result<ApplyResult, String> {
        let mut declaring = Declaring::new(name);
        for (address, spec) in &self.checks {
            declaring = declaring.check(address, spec.clone());
        }
        for (address, spec) in &self.webhooks {
            declaring = declaring.webhook(address, spec.clone());
        }
        // One of the stories ends with nothing declared.
        declaring.request.allow = Some(Allowances {
            empty: true,
            ..Allowances::default()
        });
        let applied = declaring.apply(&fleet.client()).await;
        applied.map_err(|error| error.to_string())
    }
}

fn secret(before: &str, name: &str) -> Text {
    Text::new([
        Piece::Plain(before.into()),
        Piece::Secret(name.parse().unwrap()),
    ])
}

fn asking(url: &str) -> CheckSpec {
    CheckSpec {
        method: Method::Post,
        headers: vec![("authorization".into(), secret("Bearer ", "db-token"))],
        body: secret("form=", "form"),
        every: Every::from_seconds(1).unwrap(),
        timeout: Every::from_seconds(1).unwrap().default_timeout(),
        asserts: vec![Assert {
            json: [("told".parse().unwrap(), Scalar::String("nothing".into()))].into(),
            ..Assert::success()
        }],
        ..CheckSpec::new(url.parse().unwrap())
    }
}

fn receiver(name: &str) -> WebhookSpec {
    WebhookSpec::new(
        ReceiverUrl::Secret(name.parse().unwrap()),
        WebhookFormat::Protobuf,
    )
}

async fn checks(fleet: &Fleet) -> Vec<Check> {
    let page = fleet.client().list(&ListOpts::default()).await.unwrap();
    page.results.into_iter().filter_map(|r| r.check).collect()
}

/// Everything that is said on the bus from now on.
#[expect(clippy::disallowed_methods, reason = "it ends with the story")]
async fn listen() -> Arc<Mutex<Vec<u8>>> {
    let url = url::Url::parse(&servers().nats_url).unwrap();
    let client = async_nats::ConnectOptions::with_token(url.username().to_owned())
        .connect(url.as_str())
        .await
        .unwrap();
    let mut messages = client.subscribe(">").await.unwrap();
    client.flush().await.unwrap();
    let said: Arc<Mutex<Vec<u8>>> = Arc::default();
    let kept = Arc::clone(&said);
    tokio::spawn(async move {
        while let Some(message) = messages.next().await {
            kept.lock().unwrap().extend_from_slice(&message.payload);
        }
    });
    said
}

fn contains(bytes: &[u8], word: &str) -> bool {
    bytes
        .windows(word.len())
        .any(|part| part == word.as_bytes())
}

fn in_hex(word: &str) -> String {
    word.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_secret_is_told_to_its_site_and_to_nobody_else() {
    let said = listen().await;
    let (site, hook) = (
        Parrot::start(StatusCode::INTERNAL_SERVER_ERROR).await,
        Parrot::start(StatusCode::OK).await,
    );
    // In the environment, in a folder, as a part of a URL, in a receiver's header, and to sign.
    let canary = |name: &str| format!("canary-{name}-{}", random_hex(8).unwrap());
    let signing = base64::engine::general_purpose::STANDARD.encode(random_hex(16).unwrap());
    let (env, file, path) = (canary("env"), canary("file"), canary("path"));
    let canaries = [env, file, path, canary("header"), signing];
    let folder = std::env::temp_dir().join(format!("lokahi-secrets-{}", random_hex(6).unwrap()));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("form"), &canaries[1]).unwrap();
    let url = format!("{}services/{}?key={}", hook.url, canaries[2], canaries[2]);
    let fleet = Fleet::start(&[
        ("LOKAHI_SECRET_DB_TOKEN", &canaries[0]),
        ("LOKAHI_SECRET_HOOK", &url),
        ("LOKAHI_SECRET_HOOK_TOKEN", &canaries[3]),
        ("LOKAHI_SECRET_SIGNING", &canaries[4]),
        ("SECRETS_DIR", folder.to_str().unwrap()),
        ("LOG", "trace"),
    ])
    .await;
    let shop = Project {
        checks: [(
            "login",
            CheckSpec {
                receivers: vec!["oncall".parse().unwrap()],
                ..asking(&site.url)
            },
        )]
        .into(),
        webhooks: [(
            "oncall",
            WebhookSpec {
                secrets: vec!["signing".parse().unwrap()],
                headers: vec![("authorization".into(), secret("Bearer ", "hook-token"))],
                ..receiver("hook")
            },
        )]
        .into(),
    };
    shop.apply(&fleet, "shop").await.unwrap();
    until("the receiver was told", async || !hook.heard().is_empty()).await;
    let bearer = format!(" Bearer {} ", canaries[3]);
    assert!(hook.heard()[0].contains(&bearer), "{}", hook.heard()[0]);

    let told = site.heard()[0].clone();
    assert_eq!(
        told,
        format!("/ Bearer {} form={}", canaries[0], canaries[1])
    );
    assert!(hook.heard()[0].starts_with(&format!("/services/{}?", canaries[2])));
    until("the attempt is written down", async || {
        let count = "select count(*) from attempts where status = 200";
        let count = sqlx::query_scalar::<_, i64>(count);
        let mut database = fleet.database().await;
        count.fetch_one(&mut database).await.unwrap() == 1
    })
    .await;

    let check = checks(&fleet).await.remove(0);
    let ran = fleet.client().run(vec![check.id.clone()]).await.unwrap();
    let ran = format!("{ran:?}");
    assert!(ran.contains("body is not JSON"), "{ran}");
    let logs = [&fleet.lokahid, &fleet.healthworker, &fleet.webhookworker].map(|p| p.log());
    let places = [
        ("the database", fleet.dump().await),
        ("an answer", format!("{:?}", fleet.status(&check.id).await)),
        ("a list", format!("{:?}", checks(&fleet).await)),
        ("a run", ran),
        ("metrics", fleet.metrics().await),
        ("the log of lokahid", logs[0].clone()),
        ("the log of the health worker", logs[1].clone()),
        ("the log of the webhook worker", logs[2].clone()),
        (
            "an event",
            hook.heard()[0].split_once(&bearer).unwrap().1.to_owned(),
        ),
    ];
    for canary in &canaries {
        assert!(
            !contains(&said.lock().unwrap(), canary),
            "{canary} is on the bus"
        );
        for (place, text) in &places {
            let shows = text.contains(canary) || text.contains(&in_hex(canary));
            assert!(!shows, "{canary} is in {place}");
        }
    }
    // They were looked for where something is.
    assert!(places.iter().all(|(_, text)| text.len() > 100));
    assert!(places[0].1.contains(&in_hex("db-token")) && places[0].1.contains("secret(\"\"hook"));
    assert!(contains(&said.lock().unwrap(), "db-token"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_receiver_without_a_value_is_told_once_there_is_one() {
    let (site, hook) = (
        Parrot::start(StatusCode::INTERNAL_SERVER_ERROR).await,
        Parrot::start(StatusCode::OK).await,
    );
    let folder = std::env::temp_dir().join(format!("lokahi-secrets-{}", random_hex(6).unwrap()));
    std::fs::create_dir(&folder).unwrap();
    let fleet = Fleet::start(&[("SECRETS_DIR", folder.to_str().unwrap())]).await;
    let every = Every::from_seconds(1).unwrap();
    let shop = Project {
        checks: [(
            "login",
            CheckSpec {
                webhook: Some(receiver("hook")),
                every,
                timeout: every.default_timeout(),
                ..CheckSpec::new(site.url.parse().unwrap())
            },
        )]
        .into(),
        ..Project::default()
    };
    shop.apply(&fleet, "shop").await.unwrap();
    let error = async || {
        sqlx::query_scalar::<_, String>(
            "select error from attempts where error is not null limit 1",
        )
        .fetch_optional(&mut fleet.database().await)
        .await
        .unwrap()
    };
    until("an attempt failed", async || error().await.is_some()).await;
    assert_eq!(
        error().await.unwrap(),
        "secret(\"hook\") is not known to this worker: set LOKAHI_SECRET_HOOK, or put a file \
         \"hook\" into its SECRETS_DIR"
    );
    assert_eq!(checks(&fleet).await[0].webhook_url, "secret(\"hook\")");
    std::fs::write(folder.join("hook"), format!("{}x\n", hook.url)).unwrap();
    until("the receiver was told", async || !hook.heard().is_empty()).await;
    assert!(hook.heard()[0].starts_with("/x "));
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn with_two_projects_no_secret_is_used() {
    let site = Parrot::start(StatusCode::OK).await;
    let fleet = Fleet::start(&[
        ("LOKAHI_SECRET_DB_TOKEN", "s3cret"),
        ("LOKAHI_SECRET_FORM", "f0rm"),
    ])
    .await;
    let one = |spec: CheckSpec| Project {
        checks: [("login", spec)].into(),
        ..Project::default()
    };
    let asserting_nothing = CheckSpec {
        asserts: vec![Assert::success()],
        ..asking(&site.url)
    };
    let shop = one(asserting_nothing);
    shop.apply(&fleet, "shop").await.unwrap();
    let id = checks(&fleet).await.remove(0).id;
    fleet.until_state(&id, Seen::Up).await;
    let ran = async || {
        let run = fleet.client().run(vec![id.clone()]).await.unwrap();
        run.results[&id].error.clone()
    };
    assert_eq!(ran().await, "");

    let blog = one(CheckSpec::new(site.url.parse().unwrap()));
    blog.apply(&fleet, "blog").await.unwrap();
    let refused = ran().await;
    assert!(
        refused.starts_with("secret_unbound: secret(\"db-token\")"),
        "{refused}"
    );
    let class = async || {
        let class = sqlx::query_scalar::<_, i16>(
            "select o.class from observations o join checks c using (check_no)
             where c.id = $1::uuid order by o.at desc limit 1",
        );
        let class = class.bind(id.parse::<uuid::Uuid>().unwrap());
        class.fetch_one(&mut fleet.database().await).await.unwrap()
    };
    until("the schedule knows it, too", async || class().await == 21).await;
    // What is unknown says nothing of the site.
    let state = fleet.status(&id).await.check.unwrap().state;
    assert_eq!(state, i32::from(Seen::Up));

    Project::default().apply(&fleet, "blog").await.unwrap();
    until("it is used again", async || class().await == 0).await;
    let colliding = one(CheckSpec {
        body: secret("", "db_token"),
        ..asking(&site.url)
    });
    let error = colliding.apply(&fleet, "shop").await.unwrap_err();
    assert!(error.contains("LOKAHI_SECRET_DB_TOKEN"), "{error}");
}
