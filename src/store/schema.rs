//! The version of a file, and the way from older versions to this one.

use std::path::Path;

use redb::{Database, ReadableTable as _, TableDefinition, WriteTransaction};

use super::error::StoreError;

/// The version that this program writes. A change of what documents or keys look like adds one, and
/// a migration to [`MIGRATIONS`].
pub const SCHEMA_VERSION: u32 = 1;

/// Documents by the texts of their keys, as JSON.
pub(super) const DOCUMENTS: TableDefinition<'static, &str, &[u8]> =
    TableDefinition::new("documents");

/// Facts about the file: `schema_version`.
const FACTS: TableDefinition<'static, &str, u64> = TableDefinition::new("facts");

/// Rewrites a file of one version as the next.
pub type Migration = fn(&WriteTransaction) -> Result<(), StoreError>;

/// From version 1 to 2, from 2 to 3, ...
pub(super) const MIGRATIONS: &[Migration] = &[];

const _: () = assert!(MIGRATIONS.len() as u32 + 1 == SCHEMA_VERSION);

/// Makes the tables of a new file, brings an older one to the version that `migrations` lead to,
/// and refuses a newer one. All in one commit: a crash in between leaves the file as it was.
pub(super) fn prepare(
    database: &Database,
    path: &Path,
    migrations: &[Migration],
) -> Result<(), StoreError> {
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX) + 1;
    let opening = || StoreError::storage("opened");
    let transaction = database.begin_write().map_err(|error| opening()(error.to_string()))?;
    {
        let mut facts =
            transaction.open_table(FACTS).map_err(|error| opening()(error.to_string()))?;
        transaction.open_table(DOCUMENTS).map_err(|error| opening()(error.to_string()))?;
        let found = facts
            .get(VERSION)
            .map_err(|error| opening()(error.to_string()))?
            .map(|version| u32::try_from(version.value()).unwrap_or(u32::MAX));
        match found {
            Some(found) if found == known => return Ok(()),
            Some(found) if found > known => {
                return Err(StoreError::Newer { path: path.to_owned(), found, known });
            }
            Some(found) => {
                tracing::info!(found, known, path = %path.display(), "the store is migrated");
                for migrate in migrations.iter().skip(found as usize - 1) {
                    migrate(&transaction)?;
                }
            }
            None => {}
        }
        facts.insert(VERSION, u64::from(known)).map_err(|error| opening()(error.to_string()))?;
    }
    transaction.commit().map_err(|error| opening()(error.to_string()))
}

const VERSION: &str = "schema_version";
