//! From a site that goes down to the webhook of its owner, over the real
//! programs, real Postgres and real NATS.

mod fleet;
mod peers;

mod alertmanager;
mod alerts;
mod beside;
mod canary;
mod crash;
mod degraded;
mod events;
mod life;
mod locations;
mod impaired;
mod probing;
mod reuse;
mod shop;
mod signed;
mod reconcile;
mod maintenance;
mod newest;
mod overlay;
mod original;
mod outbox;
mod reminders;
mod schedule;
mod run;
mod stale;
mod secrets;
mod settled;
mod history;
mod failing;
mod flapping;
mod grouping;
mod suppression;
mod suspect;
mod tokens;
mod unknown;
mod untaken;
mod waiting;
mod workflows;
