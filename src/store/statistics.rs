//! What Postgres believes of its tables.

use sqlx::PgConnection;

use super::error::{Doing as _, StoreError};

/// Has Postgres look at what declared objects are stored in, within a transaction that has
/// changed much of it. What it believed before, that there is hardly anything, makes it read
/// tables against each other row by row; by itself it looks a minute later at the soonest.
pub async fn statistics_refresh(conn: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("analyze checks, check_states, check_receivers, specs, memberships, changes")
        .execute(conn)
        .await
        .doing("look at what was changed")?;
    Ok(())
}
