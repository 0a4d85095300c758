//! kill -9 in the middle of applies, of lokahid and of Postgres: afterwards it is the old
//! generation or the new one, in every table, and it goes on by itself.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection, Row as _};

use super::ground::{Folder, checks};
use crate::pipeline::crash::{kill_server, with_own_servers};
use crate::pipeline::fleet::Fleet;
use crate::support::until;

/// How many checks each apply changes, all of them.
const CHECKS: usize = 200;
/// How many applies are hit.
const ROUNDS: i64 = 8;
/// The longest wait within an apply before it is hit.
const WITHIN: u64 = 200;

/// The same chances in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// What the files say at a generation: another interval for all, another receiver for all.
fn write(folder: &Folder, generation: i64) {
    let hook = |name: &str| {
        format!(
            "webhook \"{name}\" {{\n  url    = \"http://127.0.0.1:9/{name}\"\n  format = \"json\"\n}}\n"
        )
    };
    let told = format!(
        "defaults {{\n  notify {{\n    webhooks = [webhook.hook{}]\n  }}\n}}\n",
        generation % 2
    );
    let root = "lokahi {\n  project = \"shop\"\n}\n";
    let all = [root, &hook("hook0"), &hook("hook1"), &told];
    let every = format!("{}s", 60 + generation);
    folder.write("all.hcl", &(all.concat() + &checks(CHECKS, &every)));
}

async fn generation(fleet: &Fleet) -> i64 {
    sqlx::query_scalar("select coalesce(max(generation), 0) from projects where name = 'shop'")
        .fetch_one(&mut fleet.database().await)
        .await
        .unwrap()
}

/// Waits until somebody holds the project, or has applied the wanted generation already.
async fn until_held(fleet: &Fleet, wanted: i64) {
    until("an apply has begun", async || {
        let mut conn = fleet.database().await;
        let mut probe = conn.begin().await.unwrap();
        let free =
            sqlx::query("select generation from projects where name = 'shop' for update nowait")
                .fetch_optional(&mut *probe)
                .await;
        let done = free.as_ref().is_ok_and(|row| {
            row.as_ref()
                .is_some_and(|row| row.get::<i64, _>("generation") >= wanted)
        });
        drop(probe.rollback().await);
        free.is_err() || done
    })
    .await;
}

/// Every table tells of the same generation.
async fn whole(conn: &mut PgConnection) {
    let row = sqlx::query(
        "select p.generation,
             (select count(*) from generations g where g.project_id = p.id) as generations,
             (select coalesce(max(n), 0) from generations g where g.project_id = p.id) as newest,
             (select count(*) from checks c where c.project_id = p.id and c.deleted_at is null)
                 as checks,
             (select count(*) from checks c where c.deleted_at is not null) as dead,
             (select count(*) from checks c join memberships m on m.object = c.id
                  and m.to_gen is null and m.from_gen = p.generation
                  and m.spec_id = c.live_spec_id and m.spec_id = c.declared_spec_id
              where c.project_id = p.id) as members,
             (select count(*) from memberships m where m.kind = 'check' and m.to_gen is null)
                 as open,
             (select count(*) from receivers r where r.address is not null
                  and r.deleted_at is null) as receivers,
             (select count(*) from check_receivers l join receivers r on r.id = l.receiver_id
              where r.address = 'hook' || p.generation % 2) as told,
             (select count(*) from check_receivers) as links,
             (select count(*) from audit where principal = 'reconciler') as audited
         from projects p where p.name = 'shop'",
    )
    .fetch_one(conn)
    .await
    .unwrap();
    let n = |name: &str| row.get::<i64, _>(name);
    let (now, all) = (n("generation"), i64::try_from(CHECKS).unwrap());
    let all = if now == 0 { 0 } else { all };
    let seen = [
        n("generations"),
        n("newest"),
        n("audited"),
        n("checks"),
        n("members"),
        n("open"),
        n("told"),
        n("links"),
        n("dead"),
        n("receivers"),
    ];
    let hooks = if now == 0 { 0 } else { 2 };
    assert_eq!(
        seen,
        [now, now, now, all, all, all, all, all, 0, hooks],
        "generation {now}"
    );
}

#[tokio::test]
async fn lokahid_may_be_killed_within_any_apply() {
    let folder = Folder::new();
    write(&folder, 1);
    let mut fleet = Fleet::start(&[
        ("CHECKS_DIR", &folder.text("")),
        ("RECONCILE_INTERVAL", "1s"),
    ])
    .await;
    let mut chance = Chance(0x1005_2026);
    for _round in 0..ROUNDS {
        let next = generation(&fleet).await + 1;
        write(&folder, next);
        until_held(&fleet, next).await;
        // Somewhere within it: this is the one wait that is no condition.
        tokio::time::sleep(Duration::from_millis(chance.below(WITHIN))).await;
        fleet.lokahid.kill().await;
        whole(&mut fleet.database().await).await;
        let kept = generation(&fleet).await < next;
        eprintln!(
            "killed {}",
            if kept {
                "before the commit"
            } else {
                "after it"
            }
        );
        fleet.lokahid.start();
        fleet.lokahid.address().await;
        until("it goes on", async || generation(&fleet).await >= next).await;
        whole(&mut fleet.database().await).await;
    }
}

#[tokio::test]
async fn postgres_may_be_killed_within_any_apply() {
    let folder = Folder::new();
    write(&folder, 1);
    let settings = [
        ("CHECKS_DIR", folder.text("")),
        ("RECONCILE_INTERVAL", "1s".to_owned()),
    ];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(a, b)| (*a, b.as_str())).collect();
    let (fleet, services, supervisor, servers) = with_own_servers(&settings).await;
    let mut chance = Chance(0x2026_1005);
    for _round in 0..ROUNDS / 2 {
        let next = generation(&fleet).await + 1;
        write(&folder, next);
        until_held(&fleet, next).await;
        tokio::time::sleep(Duration::from_millis(chance.below(WITHIN))).await;
        kill_server(&servers, "postgres");
        until("it goes on", async || {
            match PgConnection::connect(&fleet.database_url).await {
                Ok(mut conn) => {
                    whole(&mut conn).await;
                    let now = sqlx::query_scalar::<_, i64>(
                        "select generation from projects where name = 'shop'",
                    );
                    now.fetch_one(&mut conn).await.is_ok_and(|now| now >= next)
                }
                Err(_) => false,
            }
        })
        .await;
    }
    drop(fleet);
    supervisor.token().cancel();
    services.stop().await.unwrap();
}
