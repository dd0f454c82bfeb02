//! The account at the directory: made once, kept in a file.

use std::fs;
use std::io;

use instant_acme::{Account, AccountCredentials, NewAccount};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::error::AcmeError;
use super::https::Https;
use super::store;
use crate::model::Acme;

/// What the account's file holds.
#[derive(Deserialize, Serialize)]
struct AccountFile {
    /// As the directory knows them.
    contacts: Vec<String>,
    /// The key, the account's URL and the directory's.
    credentials: Json,
}

/// The account of the file, or a new one if there is no file. Tells the directory of contacts that
/// have changed.
pub(super) async fn open(acme: &Acme, https: &Https) -> Result<Account, AcmeError> {
    let builder = Account::builder_with_http(Box::new(https.clone()));
    let contacts: Vec<_> = acme.contacts.iter().map(String::as_str).collect();
    let Some(mut file) = read(acme)? else {
        let new = NewAccount {
            contact: &contacts,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let (account, credentials) = builder.create(&new, acme.directory_url.clone(), None).await?;
        let credentials = serde_json::to_value(credentials).map_err(instant_acme::Error::from)?;
        write(acme, &AccountFile { contacts: acme.contacts.clone(), credentials })?;
        tracing::info!(account = account.id(), "an account at the ACME directory was made");
        return Ok(account);
    };
    let credentials: AccountCredentials = serde_json::from_value(file.credentials.clone())
        .map_err(|error| refused(acme, format!("holds no account: {error}")))?;
    let account = builder.from_credentials(credentials).await?;
    if file.contacts != acme.contacts {
        account.update_contacts(&contacts).await?;
        file.contacts.clone_from(&acme.contacts);
        write(acme, &file)?;
    }
    Ok(account)
}

fn read(acme: &Acme) -> Result<Option<AccountFile>, AcmeError> {
    let path = &acme.account_file;
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(AcmeError::of_file(path)(error)),
    };
    let file: AccountFile = serde_json::from_slice(&bytes)
        .map_err(|error| refused(acme, format!("holds no account: {error}")))?;
    match file.credentials.get("directory").and_then(Json::as_str) {
        Some(directory) if directory == acme.directory_url => Ok(Some(file)),
        directory => {
            let other = directory.unwrap_or("none");
            Err(refused(acme, format!("the account is of another directory ({other})")))
        }
    }
}

fn write(acme: &Acme, file: &AccountFile) -> Result<(), AcmeError> {
    let path = &acme.account_file;
    if let Some(folder) = path.parent() {
        store::make_folder(folder)?;
    }
    let mut text = serde_json::to_vec_pretty(file).map_err(instant_acme::Error::from)?;
    text.push(b'\n');
    store::replace(path, &text)
}

fn refused(acme: &Acme, reason: String) -> AcmeError {
    AcmeError::Account { path: acme.account_file.clone(), reason }
}
