//! kill -9 in the middle of applies, of lokahid and of Postgres: afterwards it is the old
//! generation or the new one, in every table, and it goes on by itself.

use sqlx::{Connection as _, PgConnection, Row as _};

use super::folder::{Folder, checks};
use crate::pipeline::crash::servers::{kill_server, with_own_servers};
use crate::pipeline::fleet::Fleet;
use crate::support::until;

/// How many checks each apply changes, all of them.
const CHECKS: usize = 200;
/// The tables that an apply writes, one after another, and what makes it wait there.
const STEPS: [(&str, &str); 7] = [
    ("checks", "lock table checks in share mode"),
    ("changes", "lock table changes in share mode"),
    ("drifts", "lock table drifts in share mode"),
    (
        "check_receivers",
        "lock table check_receivers in share mode",
    ),
    ("memberships", "lock table memberships in share mode"),
    ("generations", "lock table generations in share mode"),
    ("audit", "lock table audit in share mode"),
];

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

/// Holds applies at a table, for as long as what is returned lives.
async fn barrier(fleet: &Fleet, lock: &'static str) -> PgConnection {
    let mut conn = fleet.database().await;
    sqlx::query("begin").execute(&mut conn).await.unwrap();
    sqlx::query(lock).execute(&mut conn).await.unwrap();
    conn
}

/// Waits until an apply, which holds its project, waits at this table.
async fn until_within(fleet: &Fleet, table: &str) {
    until(&format!("an apply has come to {table}"), async || {
        sqlx::query_scalar::<_, bool>(
            "select exists (select from pg_locks w join pg_locks h on h.pid = w.pid
                 where not w.granted and w.relation = to_regclass($1)
                     and h.relation = to_regclass('projects') and h.mode = 'RowShareLock')",
        )
        .bind(table)
        .fetch_one(&mut fleet.database().await)
        .await
        .unwrap()
    })
    .await;
}

async fn until_applied(fleet: &Fleet, wanted: i64) {
    until("it is applied", async || generation(fleet).await >= wanted).await;
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
    until_applied(&fleet, 1).await;
    for (table, lock) in STEPS {
        let next = generation(&fleet).await + 1;
        let barrier = barrier(&fleet, lock).await;
        write(&folder, next);
        until_within(&fleet, table).await;
        fleet.lokahid.kill().await;
        drop(barrier);
        whole(&mut fleet.database().await).await;
        assert_eq!(generation(&fleet).await, next - 1, "killed at {table}");
        fleet.lokahid.start();
        fleet.lokahid.address().await;
        until_applied(&fleet, next).await;
        whole(&mut fleet.database().await).await;
    }
    // And as soon as it has committed.
    let next = generation(&fleet).await + 1;
    write(&folder, next);
    until_applied(&fleet, next).await;
    fleet.lokahid.kill().await;
    whole(&mut fleet.database().await).await;
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
    until_applied(&fleet, 1).await;
    for (table, lock) in STEPS.into_iter().step_by(2) {
        let next = generation(&fleet).await + 1;
        let _barrier = barrier(&fleet, lock).await;
        write(&folder, next);
        until_within(&fleet, table).await;
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
