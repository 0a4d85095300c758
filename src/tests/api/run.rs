//! Probes beside the schedule, with a worker that a story scripts.

use std::time::Duration;

use lokahi::api::ApiSettings;
use lokahi::bus::Bus;
use lokahi::clock;
use lokahi::model::observation::{ErrorClass, Observation, Outcome, Phases};
use lokahi::model::probe::{DEFAULT_LOCATION, Report, Reports};
use lokahi::runtime::supervisor::Supervisor;
use lokahi::services::Services;
use lokahi::spec::decode_check;
use serde_json::json;

use crate::support::server::Server;
use crate::support::servers::options;

/// Answers by what the URL says: `up`, `down`, `refused`; and never for `hangs`.
async fn work(bus: Bus) {
    let mut feed = bus.probe_subscribe(DEFAULT_LOCATION).await.unwrap();
    while let Some(batch) = feed.next().await {
        let mut reports = Vec::new();
        for probe in batch.probes {
            let spec = decode_check(&probe.spec).unwrap();
            let (outcome, class, status, detail) = match spec.url.as_str() {
                "http://up.example.com/" => (Outcome::Up, None, 200, ""),
                "http://down.example.com/" => (Outcome::Down, None, 500, "status 500 is not 2xx"),
                "http://refused.example.com/" => (
                    Outcome::Error,
                    Some(ErrorClass::ConnectRefused),
                    0,
                    "127.0.0.1:9",
                ),
                _ => continue,
            };
            reports.push(Report {
                check_no: probe.check_no,
                spec_id: probe.spec_id,
                observation: Observation {
                    scheduled_at: probe.scheduled_at,
                    started_at: clock::now(),
                    outcome,
                    degraded: false,
                    class,
                    status,
                    detail: detail.to_owned(),
                    address: String::new(),
                    phases: Phases {
                        total: Duration::from_millis(7),
                        ..Phases::default()
                    },
                    certificate_not_after: None,
                    reused: false,
                    hops: Vec::new(),
                },
            });
        }
        let reports = Reports {
            batch: batch.batch,
            location: DEFAULT_LOCATION.to_owned(),
            worker: "story".to_owned(),
            sentinels: None,
            reports,
        };
        bus.report_publish(&batch.reply_to, &reports).await.unwrap();
    }
}

#[tokio::test]
async fn every_id_has_an_entry() {
    let supervisor = Supervisor::new();
    let nats = Services::start(options(false, true), &supervisor.tasks())
        .await
        .unwrap();
    let server = Server::start_with(ApiSettings::default(), nats.nats_url().unwrap()).await;
    let mut ids = Vec::new();
    for site in ["up", "down", "refused", "hangs"] {
        let opts = json!({"url": format!("http://{site}.example.com/"), "every": 1});
        let made = server.good("Checks/Create", &opts.to_string()).await;
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    ids.push("nonsense".to_owned());
    ids.push("0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d".to_owned());
    assert_eq!(server.good("admin.RunLocal/Stats", "{}").await, json!({}));

    // Without a worker nothing hangs either.
    let alone = json!({"ids": [ids[0]]}).to_string();
    let alone = server.good("admin.RunLocal/Checks", &alone).await;
    let error = alone["results"][&ids[0]]["error"].as_str().unwrap();
    assert!(
        error.starts_with("no health worker answered within "),
        "{error}"
    );

    supervisor.spawn("worker", work(server.bus.clone()));
    server.bus.flush().await;
    let run = json!({"ids": ids}).to_string();
    let run = server.good("admin.RunLocal/Checks", &run).await;
    let told: Vec<String> = ids
        .iter()
        .map(|id| {
            let entry = &run["results"][id];
            let error = entry["error"].as_str().unwrap_or_default();
            let healthy = entry["healthy"] == json!(true);
            let line = format!("{healthy} {}: {error}", entry["status_code"]);
            line.trim_end().to_owned()
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    true 200:
    false 500: status 500 is not 2xx
    false null: connect_refused: 127.0.0.1:9
    false null: no health worker reported within 3.8s
    false null: not_found: "nonsense" is not an id: ids look like 0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d
    false null: not_found: there is no check 0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d
    "#);
    assert_eq!(run["finished"], true);
    let stats = server.good("admin.RunLocal/Stats", "{}").await;
    assert_eq!(stats["p99_nanoseconds"], "7000000");

    for bad in [json!([]), json!(vec!["x"; 1001])] {
        let refused = server
            .json("admin.RunLocal/Checks", &json!({"ids": bad}).to_string())
            .await;
        assert_eq!(refused.refusal(), "400 invalid_argument ids");
    }
    nats.stop().await.unwrap();
}
