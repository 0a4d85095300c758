//! The worker over a real NATS: what is asked is answered, in parts, and nothing holds up
//! anything else.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use lokahi::bus::{Bus, BusSettings};
use lokahi::clock;
use lokahi::files::private as files;
use lokahi::model::check::{CheckSpec, Every};
use lokahi::model::id::{CheckId, CheckNo, SpecId};
use lokahi::model::observation::Outcome;
use lokahi::model::probe::{Avoided, DEFAULT_LOCATION, Probe, ProbeBatch, Reports};
use lokahi::model::secret::SecretUse;
use lokahi::prober::stats::Stats;
use lokahi::prober::worker::{WorkerSettings, start};
use lokahi::proto::{admin, internal, lokahi as wire};
use lokahi::runtime::supervisor::Supervisor;
use lokahi::services::folder::default_cache_dir;
use lokahi::services::search::{self, Search};
use lokahi::services::{Durability, Lifetime, Services, StartOptions};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::reuse::{self, Heard, kept, patient};
use super::site::{OK, Site};
use super::{GENEROUS, check, check_within, context};

struct Story {
    supervisor: Supervisor,
    _services: Services,
    url: String,
    bus: Bus,
    stats: Arc<Stats>,
}

impl Story {
    /// A connection beside the worker's own.
    async fn nats(&self) -> async_nats::Client {
        let url = url::Url::parse(&self.url).unwrap();
        let options = async_nats::ConnectOptions::with_token(url.username().to_owned());
        options.connect(&self.url).await.unwrap()
    }

    /// What is sent to a subject from now on. To flush is not enough: the server may read what
    /// another connection sends before it reads that we listen.
    async fn listen(&self, subject: &'static str) -> async_nats::Subscriber {
        let client = self.nats().await;
        let messages = client.subscribe(subject).await.unwrap();
        let inbox = client.new_inbox();
        let mut echo = client.subscribe(inbox.clone()).await.unwrap();
        client.publish(inbox, "heard".into()).await.unwrap();
        heard(&mut echo).await;
        messages
    }

    async fn new() -> Self {
        Self::with_sentinels(&[]).await
    }

    async fn with_sentinels(sentinels: &[&Site]) -> Self {
        let cache = std::env::var_os("CACHE_DIR")
            .map_or_else(|| default_cache_dir().unwrap(), PathBuf::from);
        let name = format!("lokahi-test-{}", files::random_hex(6).unwrap());
        let supervisor = Supervisor::new();
        let options = StartOptions {
            data_dir: std::env::temp_dir().join(name),
            search: Search::new(cache, std::env::var_os(search::VARIABLE).as_deref()),
            postgres: false,
            nats: true,
            guard: Some(env!("CARGO_BIN_EXE_lokahid").into()),
            durability: Durability::None,
            lifetime: Lifetime::Removed,
        };
        let services = Services::start(options, &supervisor.tasks()).await.unwrap();
        let url = services.nats_url().unwrap().to_string();
        let settings = BusSettings {
            url: url.clone(),
            credentials: None,
            name: "test".into(),
        };
        let bus = Bus::connect(&settings).await.unwrap();
        let worker = WorkerSettings {
            location: DEFAULT_LOCATION.into(),
            name: "worker-1".into(),
            max_in_flight: 8,
            sentinels: sentinels
                .iter()
                .map(|site| site.url().parse().unwrap())
                .collect(),
        };
        let stats = start(&supervisor.tasks(), &bus, context(), worker).await;
        Self {
            supervisor,
            _services: services,
            url,
            bus,
            stats,
        }
    }

    /// Asks until a worker has heard, which takes a moment after its start.
    async fn probe(&self, batch: ProbeBatch, within: Duration) -> Vec<Reports> {
        let begun = clock::monotonic();
        loop {
            let received = self.stats.counts().received;
            let reports = self
                .bus
                .probe_now(DEFAULT_LOCATION, batch.clone(), within)
                .await;
            match reports {
                Ok(reports) => return reports,
                Err(_) if self.stats.counts().received > received => return Vec::new(),
                Err(error) => {
                    let waited = clock::monotonic().duration_since(begun);
                    assert!(waited < GENEROUS, "{error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn end(self) {
        self.supervisor.token().cancel();
        self.supervisor.join(GENEROUS).await.unwrap();
    }
}

async fn heard(messages: &mut async_nats::Subscriber) -> async_nats::Message {
    let next = tokio::time::timeout(GENEROUS, messages.next()).await;
    next.expect("nothing was said").unwrap()
}

fn batch(specs: &[CheckSpec]) -> ProbeBatch {
    let probes = specs.iter().enumerate().map(|(number, spec)| Probe {
        check_id: CheckId(uuid::Uuid::from_u128(number as u128)),
        check_no: CheckNo(number as i64),
        spec_id: SpecId(1),
        scheduled_at: clock::now(),
        spec: lokahi::spec::encode_check(spec).into(),
        secrets: SecretUse::bound("shop"),
    });
    ProbeBatch {
        batch: 7,
        reply_to: String::new(),
        sent_at: clock::now(),
        expires: clock::now() + GENEROUS,
        avoided: None,
        probes: probes.collect(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_probe_holds_up_no_other_report() {
    let story = Story::new().await;
    let good = Site::saying(OK).await;
    let silent = Site::start(async |_stream: TcpStream| std::future::pending().await).await;
    let mut specs = vec![check(&good.url()); 40];
    specs.insert(0, check_within(&silent.url(), 3000));
    let reports = story.probe(batch(&specs), GENEROUS).await;

    let numbers = |part: &Reports| {
        part.reports
            .iter()
            .map(|r| r.check_no.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        numbers(reports.last().unwrap()),
        [0],
        "the hanging one comes last and alone"
    );
    let all: usize = reports.iter().map(|part| part.reports.len()).sum();
    assert_eq!(all, 41);
    assert!(
        reports
            .iter()
            .all(|part| part.batch == 7 && part.worker == "worker-1")
    );
    let counts = story.stats.counts();
    assert_eq!((counts.up, counts.error, counts.in_flight), (40, 1, 0));
    story.end().await;
}

/// Where nobody listens.
async fn closed() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_as_without_a_network_is_told_with_what_the_sentinels_have_said_since() {
    let sentinel = Site::saying(OK).await;
    // One that hangs is waited for only where the others are not enough.
    let silent = Site::start(async |_stream: TcpStream| std::future::pending().await).await;
    let story = Story::with_sentinels(&[&silent, &sentinel]).await;
    let closed = closed().await;
    // Each time, however long ago they were asked.
    for _ in 0..3 {
        let reports = story.probe(batch(&[check(&closed)]), GENEROUS).await;
        let (said, seen) = (reports[0].sentinels, &reports[0].reports[0].observation);
        let failed = seen.cut_off_at().unwrap();
        assert!(said.unwrap().begun >= failed, "{said:?} {failed}");
        assert!(!said.unwrap().fail());
    }
    story.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_are_asked_while_a_probe_takes_long() {
    let sentinel = Site::saying(OK).await;
    let story = Story::with_sentinels(&[&sentinel]).await;
    let slow = Site::start(async |mut stream: TcpStream| {
        let mut request = [0; 4096];
        let asked = stream.read(&mut request).await.unwrap();
        assert!(asked > 0);
        tokio::time::sleep(Duration::from_millis(2500)).await;
        stream.write_all(OK.as_bytes()).await.unwrap();
    })
    .await;
    // By chance they are asked within it now and then, and not each time.
    for _ in 0..4 {
        let reports = story.probe(batch(&[check(&slow.url())]), GENEROUS).await;
        let (said, seen) = (reports[0].sentinels, &reports[0].reports[0].observation);
        let (begun, started) = (said.unwrap().begun, seen.started_at);
        assert!(begun > started, "{begun} {started}");
    }
    story.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_that_hang_hold_up_no_answer_and_nothing_for_long() {
    let silent = Site::start(async |_stream: TcpStream| std::future::pending().await).await;
    let story = Story::with_sentinels(&[&silent]).await;
    let good = Site::saying(OK).await;
    let bad = Site::saying("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n").await;
    let specs = [
        check(&closed().await),
        check(&good.url()),
        check(&bad.url()),
    ];
    let mut reports = story.probe(batch(&specs), GENEROUS).await;
    let last = reports.pop().unwrap();
    let numbers: Vec<i64> = last.reports.iter().map(|it| it.check_no.0).collect();
    assert_eq!(numbers, [0], "an answer shows that there is a network");
    let failed = last.reports[0].observation.cut_off_at().unwrap();
    // They have not said since, and whoever judges sees it.
    assert!(last.sentinels.unwrap().begun < failed);
    let all: usize = reports.iter().map(|part| part.reports.len()).sum();
    assert_eq!(all, 2);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_another_worker_is_to_take_is_passed_on_while_there_may_be_one() {
    let story = Story::new().await;
    let good = Site::saying(OK).await;
    story.probe(batch(&[check(&good.url())]), GENEROUS).await;
    let mut sent = story.listen("check.run.v2.>").await;
    for (avoided, times) in [("worker-1", 9), ("worker-2", 1)] {
        let avoided = ProbeBatch {
            avoided: Some(Avoided::new(avoided.into())),
            ..batch(&[check(&good.url())])
        };
        // There is no other: it looks again itself.
        let reports = story.probe(avoided, GENEROUS).await;
        assert_eq!(reports[0].reports[0].observation.outcome, Outcome::Up);
        for _ in 0..times {
            heard(&mut sent).await;
        }
    }
    let last = batch(&[check(&good.url())]);
    story.probe(last, GENEROUS).await;
    let bytes = heard(&mut sent).await.payload;
    let last = internal::ProbeBatch::decode(bytes).unwrap();
    assert_eq!((last.avoided.as_str(), last.passes), ("", 0));
    story.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_expired_is_dropped_and_what_cannot_be_read_is_ours() {
    let story = Story::new().await;
    let good = Site::saying(OK).await;
    let mut broken = batch(&[check(&good.url()), check(&good.url())]);
    broken.probes[0].spec = b"\xff".as_slice().into();
    let reports = story.probe(broken, GENEROUS).await;
    let mut outcomes: Vec<_> = reports
        .iter()
        .flat_map(|part| &part.reports)
        .map(|report| (report.check_no.0, report.observation.outcome))
        .collect();
    outcomes.sort();
    assert_eq!(outcomes, [(0, Outcome::Unknown), (1, Outcome::Up)]);

    let mut late = batch(&[check(&good.url())]);
    late.expires = clock::now() - Duration::from_secs(1);
    let none = story.probe(late, Duration::from_millis(500)).await;
    assert!(none.is_empty());
    assert_eq!(story.stats.counts().expired, 1);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_original_way_to_ask_is_answered() {
    let story = Story::new().await;
    let good = Site::saying(OK).await;
    // A worker that listens for batches listens for these.
    story.probe(batch(&[check(&good.url())]), GENEROUS).await;
    let client = story.nats().await;
    for (url, healthy, error) in [
        (good.url(), true, ""),
        (
            "ftp://a/".to_owned(),
            false,
            "internal: \"ftp://a/\" has the scheme",
        ),
    ] {
        let check = wire::Check {
            url: url.clone(),
            ..wire::Check::default()
        };
        let answer = client
            .request("check.run", check.encode_to_vec().into())
            .await
            .unwrap();
        let health = admin::Health::decode(answer.payload).unwrap();
        assert_eq!((health.healthy, health.url), (healthy, url));
        assert!(health.error.starts_with(error), "{}", health.error);
        assert_eq!(health.status_code == 200, healthy);
    }
    story.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_connection_ends_when_nobody_uses_it_and_with_the_worker() {
    use Heard::{Asked, Ended, Opened};
    let story = Story::new().await;
    let (site, mut told) = patient().await;
    let spec = |seconds| {
        let every = Every::from_seconds(seconds).unwrap();
        CheckSpec {
            every,
            timeout: every.default_timeout(),
            ..kept(check(&site.url()))
        }
    };
    let probe = async |check: u128, spec: &CheckSpec, reused: bool| {
        let mut batch = batch(std::slice::from_ref(spec));
        batch.probes[0].check_id = CheckId(uuid::Uuid::from_u128(check));
        let reports = story.probe(batch, GENEROUS).await;
        assert_eq!(reports[0].reports[0].observation.reused, reused);
    };
    let seldom = spec(120);
    probe(1, &seldom, false).await;
    probe(1, &seldom, true).await;
    reuse::heard(&mut told, &[Opened, Asked, Asked]).await;
    assert_eq!(story.stats.counts().kept, 1);
    // With a period of a second it is soon of no use.
    probe(2, &spec(1), false).await;
    reuse::heard(&mut told, &[Opened, Asked, Ended]).await;
    assert_eq!(story.stats.counts().kept, 1);
    story.end().await;
    reuse::heard(&mut told, &[Ended]).await;
}
