//! How tables come to be, and change, in SQL databases: the chassis' own and the service's, each with its own list of what
//! has run.

use sqlx::{
    SqlSafeStr as _,
    migrate::{self, MigrationType, Migrator},
};

use super::rows::Migration;

/// Where the chassis keeps which of its migrations have run; the service's have the default table.
const CHASSIS_TABLE: &str = "tributary_migrations";

/// Of the chassis' own tables.
pub(super) fn chassis_migrator(migrations: &[Migration]) -> Migrator {
    let mut migrator = migrator(migrations);
    migrator.dangerous_set_table_name(CHASSIS_TABLE);
    migrator
}

/// Of the service's tables.
pub(super) fn migrator(migrations: &[Migration]) -> Migrator {
    Migrator::with_migrations(migrations.iter().copied().map(migration).collect())
}

fn migration((version, name, sql): Migration) -> migrate::Migration {
    migrate::Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
}
