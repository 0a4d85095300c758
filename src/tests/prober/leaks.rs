//! Nothing stays behind of a probe. Counted in a process of its own, since other tests open
//! files too.

use std::process::Command;

use tokio::task::JoinSet;

use super::site::{OK, Site};
use super::{check, context, observe, verdict};

const ALONE: &str = "LOKAHI_TEST_ALONE";
const PROBES: usize = 20_000;
const AT_ONCE: usize = 100;

#[test]
fn twenty_thousand_probes_leave_nothing_behind() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "prober::leaks::the_same_alone", "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("1 passed"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_alone() {
    if std::env::var_os(ALONE).is_none() {
        return;
    }
    let site = Site::saying(OK).await;
    let url = site.url();
    run(&url, PROBES / 10).await;
    let (files, memory) = (settled_files(usize::MAX).await, resident_kib());
    run(&url, PROBES).await;
    let files_after = settled_files(files).await;
    let memory_after = resident_kib();
    println!("{files} then {files_after} files, {memory} then {memory_after} KiB");
    assert!(
        files_after <= files,
        "{files} files before, {files_after} after"
    );
    assert!(
        memory_after < memory + 16 * 1024,
        "{memory} KiB before, {memory_after} after"
    );
}

async fn run(url: &str, probes: usize) {
    let (context, spec) = (context(), check(url));
    let mut running = JoinSet::new();
    for _ in 0..probes {
        if running.len() == AT_ONCE {
            running.join_next().await.unwrap().unwrap();
        }
        let (context, spec) = (context.clone(), spec.clone());
        running.spawn(async move {
            let observation = observe(&context, &spec).await;
            assert_eq!(verdict(&observation), "up", "{observation:?}");
        });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

/// The open files, once they are few enough or have stopped changing: the site's own ends
/// close a moment after ours.
async fn settled_files(enough: usize) -> usize {
    let count = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let mut last = count();
    for _ in 0..100 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let now = count();
        if now <= enough && now == last {
            break;
        }
        last = now;
    }
    last
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
