//! Real folders, changed in the ways that editors and deployments change them.
//! No test waits for a time: each waits for the word, or fails after a minute.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::manifest::inputs::Inputs;
use crate::reconcile::load::wanted;

const ROOT: &str = "lokahi {\n  project = \"shop\"\n}\n";

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let name = format!("lokahi-watch-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        if path.exists() {
            fs::remove_dir_all(&path).unwrap();
        }
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.0.join(from), self.0.join(to)).unwrap();
    }

    fn link(&self, target: &str, path: &str) {
        symlink(target, self.0.join(path)).unwrap();
    }

    fn watch(&self, root: &str) -> Watch {
        let pace = Pace {
            quiet: Duration::from_millis(20),
            most: Duration::from_secs(5),
            interval: Duration::from_secs(3600),
        };
        Watch::new(self.0.join(root), pace)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}

fn check(url: &str) -> String {
    format!("check \"a\" {{\n  url = \"{url}\"\n}}\n")
}

/// Waits until the folder declares a check of this URL, looking only when told.
async fn until(watch: &mut Watch, url: &str) {
    let told = async {
        loop {
            watch.dirty().await;
            let found = wanted(&watch.root, &Inputs::default()).ok();
            let spec = found.and_then(|(desired, _)| desired.checks.get("a").cloned());
            if spec.is_some_and(|declared| declared.spec.url.as_str() == url) {
                return;
            }
        }
    };
    timeout(Duration::from_secs(60), told)
        .await
        .unwrap_or_else(|_| panic!("nobody told of {url}"));
}

#[tokio::test]
async fn an_editor_saves_by_renaming() {
    let place = Place::new("rename");
    place.write("checks/lokahi.hcl", ROOT);
    place.write("checks/team/web.hcl", &check("http://one/"));
    let mut watch = place.watch("checks");
    until(&mut watch, "http://one/").await;
    for url in ["http://two/", "http://three/"] {
        place.write("checks/team/web.hcl~", &check(url));
        place.rename("checks/team/web.hcl~", "checks/team/web.hcl");
        until(&mut watch, url).await;
    }
}

#[tokio::test]
async fn the_folder_goes_and_comes_back() {
    let place = Place::new("recreate");
    let mut watch = place.watch("deep/checks");
    watch.dirty().await;
    for url in ["http://one/", "http://two/", "http://three/"] {
        place.write("deep/checks/lokahi.hcl", ROOT);
        place.write("deep/checks/web.hcl", &check(url));
        until(&mut watch, url).await;
        fs::remove_dir_all(place.0.join("deep")).unwrap();
        timeout(Duration::from_secs(60), watch.dirty())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_config_map_swaps_its_data_link() {
    let place = Place::new("configmap");
    for (version, url) in [("..1", "http://one/"), ("..2", "http://two/")] {
        place.write(&format!("checks/{version}/lokahi.hcl"), ROOT);
        place.write(&format!("checks/{version}/web.hcl"), &check(url));
    }
    place.link("..1", "checks/..data");
    place.link("..data/lokahi.hcl", "checks/lokahi.hcl");
    place.link("..data/web.hcl", "checks/web.hcl");
    let mut watch = place.watch("checks");
    until(&mut watch, "http://one/").await;
    place.link("..2", "checks/..data_tmp");
    place.rename("checks/..data_tmp", "checks/..data");
    until(&mut watch, "http://two/").await;
}

#[tokio::test]
async fn git_sync_swaps_the_link_above_the_root() {
    let place = Place::new("gitsync");
    for (version, url) in [("rev1", "http://one/"), ("rev2", "http://two/")] {
        place.write(&format!("trees/{version}/checks/lokahi.hcl"), ROOT);
        place.write(&format!("trees/{version}/checks/web.hcl"), &check(url));
    }
    place.link("trees/rev1", "current");
    let mut watch = place.watch("current/checks");
    until(&mut watch, "http://one/").await;
    place.link("trees/rev2", "next");
    place.rename("next", "current");
    until(&mut watch, "http://two/").await;
    place.write("trees/rev2/checks/web.hcl", &check("http://three/"));
    until(&mut watch, "http://three/").await;
}

#[tokio::test]
async fn a_link_on_the_way_of_a_link_is_swapped() {
    let place = Place::new("release");
    for (version, url) in [("rel1", "http://one/"), ("rel2", "http://two/")] {
        place.write(&format!("app/{version}/checks/lokahi.hcl"), ROOT);
        place.write(&format!("app/{version}/checks/web.hcl"), &check(url));
    }
    place.link("rel1", "app/current");
    place.link("app/current/checks", "etc");
    let mut watch = place.watch("etc");
    until(&mut watch, "http://one/").await;
    place.link("rel2", "app/next");
    place.rename("app/next", "app/current");
    until(&mut watch, "http://two/").await;
    place.write("app/rel2/checks/web.hcl", &check("http://three/"));
    until(&mut watch, "http://three/").await;
}

#[tokio::test]
async fn without_any_event_the_timer_tells() {
    let place = Place::new("timer");
    let mut watch = place.watch("");
    watch.pace.interval = Duration::from_millis(5);
    for _round in 0..3 {
        timeout(Duration::from_secs(60), watch.dirty())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_log_that_grows_beside_the_root_does_not_hold_it_up() {
    let place = Place::new("beside");
    place.write("checks/lokahi.hcl", ROOT);
    place.write("checks/web.hcl", &check("http://one/"));
    let mut watch = place.watch("checks");
    watch.pace.most = Duration::from_secs(3600);
    until(&mut watch, "http://one/").await;
    let beside = place.0.join("lokahid.log");
    let log = async {
        loop {
            fs::write(&beside, "another line").unwrap();
            sleep(Duration::from_millis(1)).await;
        }
    };
    place.write("checks/web.hcl", &check("http://two/"));
    tokio::select! {
        () = until(&mut watch, "http://two/") => {}
        () = log => {}
    }
    // Its own removal shows in the same folder.
    fs::remove_dir_all(place.0.join("checks")).unwrap();
    timeout(Duration::from_secs(60), watch.dirty())
        .await
        .unwrap();
}

#[tokio::test]
async fn what_a_link_leads_to_is_saved_by_renaming() {
    let place = Place::new("shared");
    place.write("checks/lokahi.hcl", ROOT);
    place.write("checks/..shared/web.hcl", &check("http://one/"));
    place.link("..shared/web.hcl", "checks/web.hcl");
    let mut watch = place.watch("checks");
    until(&mut watch, "http://one/").await;
    for url in ["http://two/", "http://three/"] {
        place.write("checks/..shared/web.hcl~", &check(url));
        place.rename("checks/..shared/web.hcl~", "checks/..shared/web.hcl");
        until(&mut watch, url).await;
    }
}

#[test]
fn our_own_reading_is_no_hint() {
    let hint = |kind| matters(&Event::new(kind), &Folders::default());
    let access = |kind| hint(EventKind::Access(kind));
    assert!(!access(AccessKind::Open(AccessMode::Any)));
    assert!(!access(AccessKind::Close(AccessMode::Read)));
    assert!(access(AccessKind::Close(AccessMode::Write)));
    assert!(hint(EventKind::Other), "a rescan");
}

#[test]
fn a_full_queue_is_a_hint_although_it_names_nothing() {
    let lost = Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
    assert!(lost.paths.is_empty());
    assert!(matters(&lost, &Folders::default()));
}
