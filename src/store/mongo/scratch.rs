//! A database for a trial, beside the one that an address names: the only kind of database that this program deletes.

use mongodb::bson::RawDocumentBuf;
use mongodb::options::{Acknowledgment, ClientOptions, WriteConcern};

use super::operation::{REMOVAL_TIMEOUT, run_for};
use super::{SERVER_TIMEOUT, make_client, read_address};
use crate::store::StoreError;

/// What stands in the name of every such database and of hardly any other, between that of the database it is beside
/// and its id.
const MARK: &str = "_verify_";
/// An id is so many hexadecimal digits.
const ID_DIGITS: usize = 12;
/// The longest name that MongoDB takes, in bytes.
const NAME_BYTES_MAX: usize = 63;

/// A database for a trial. It comes into being when a server first opens it.
#[derive(Clone)]
pub struct ScratchDatabase {
    address: String,
    name: String,
}

impl ScratchDatabase {
    /// The one beside the database that `uri` names, with the same credentials. Its `id`, 12 hexadecimal digits, should
    /// be random: whoever finds a database of that name deletes it.
    pub async fn beside(uri: &str, id: &str) -> Result<Self, StoreError> {
        let (options, beside) = read_address(uri).await?;
        let name = name_beside(&beside, id);
        let address = with_database(uri, &name, &options).ok_or_else(unreadable)?;
        let (_, read) = read_address(&address).await?;
        match is_scratch(&name) && read == name {
            true => Ok(Self { address, name }),
            false => Err(unreadable()),
        }
    }

    /// Its connection string, which may hold a password.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Deletes it with everything in it. To repeat it is harmless.
    pub async fn remove(&self) -> Result<(), StoreError> {
        let (mut options, name) = read_address(&self.address).await?;
        if !is_scratch(&name) {
            return Err(StoreError::Failed("this database is not one of a trial".into()));
        }
        let majority = WriteConcern::builder().w(Acknowledgment::Majority);
        options.write_concern = Some(majority.w_timeout(SERVER_TIMEOUT).build());
        let database = make_client(options)?.database(&name);
        // One by one: who may write may do that, and with its last collection a database is no more.
        run_for(REMOVAL_TIMEOUT, async move {
            for collection in database.list_collection_names().await? {
                database.collection::<RawDocumentBuf>(&collection).drop().await?;
            }
            Ok(())
        })
        .await
    }
}

fn unreadable() -> StoreError {
    StoreError::Failed("the address of MongoDB cannot be made one of a database for a trial".into())
}

fn name_beside(database: &str, id: &str) -> String {
    // What a connection string would have to escape says nothing that matters here.
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() || letter == '-' {
            letter
        } else {
            '_'
        }
    };
    let most = NAME_BYTES_MAX - MARK.len() - ID_DIGITS;
    let beside: String = database.chars().take(most).map(plain).collect();
    format!("{beside}{MARK}{id}")
}

fn is_scratch(name: &str) -> bool {
    let id = name.rsplit_once(MARK).map(|(_, id)| id);
    id.is_some_and(|id| id.len() == ID_DIGITS && id.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// The same connection string with another database. Where it has credentials, they are looked up where they were.
fn with_database(uri: &str, database: &str, options: &ClientOptions) -> Option<String> {
    let (server, query) = uri.split_once('?').unwrap_or((uri, ""));
    let (scheme, rest) = server.split_once("://")?;
    let hosts = rest.split_once('/').map_or(rest, |(hosts, _)| hosts);
    let mut query = query.to_owned();
    let source = options
        .credential
        .as_ref()
        .and_then(|known| known.source.as_deref());
    if let Some(source) = source.filter(|_| !query.to_ascii_lowercase().contains("authsource=")) {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-$".contains(letter);
        if !source.chars().all(is_plain) {
            return None;
        }
        let and = if query.is_empty() { "" } else { "&" };
        query.push_str(&format!("{and}authSource={source}"));
    }
    let mark = if query.is_empty() { "" } else { "?" };
    Some(format!("{scheme}://{hosts}/{database}{mark}{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789ab";

    #[tokio::test]
    async fn a_trial_is_beside_the_database_and_knows_the_same_users() {
        for (uri, address) in [
            (
                "mongodb://127.0.0.1:1",
                "mongodb://127.0.0.1:1/colloquy_verify_0123456789ab",
            ),
            (
                "mongodb://a:1,b:2/chats?replicaSet=rs",
                "mongodb://a:1,b:2/chats_verify_0123456789ab?replicaSet=rs",
            ),
            (
                "mongodb://user:p%40ss@a/chats",
                "mongodb://user:p%40ss@a/chats_verify_0123456789ab?authSource=chats",
            ),
            (
                "mongodb://user:pass@a/?tls=false",
                "mongodb://user:pass@a/colloquy_verify_0123456789ab?tls=false&authSource=admin",
            ),
            (
                "mongodb://user:pass@a/chats?authSource=users",
                "mongodb://user:pass@a/chats_verify_0123456789ab?authSource=users",
            ),
        ] {
            let scratch = ScratchDatabase::beside(uri, ID).await.unwrap();
            assert_eq!(scratch.address(), address);
            let (options, name) = read_address(address).await.unwrap();
            assert_eq!(name, scratch.name());
            let source =
                |options: &ClientOptions| options.credential.as_ref().and_then(|it| it.source.clone());
            assert_eq!(
                source(&options),
                source(&read_address(uri).await.unwrap().0),
                "{uri}"
            );
        }
    }

    #[tokio::test]
    async fn no_other_database_is_ever_deleted() {
        for name in [
            "chats",
            "chats_verify_",
            "chats_verify_0123456789a",
            "chats_verify_0123456789xy",
            ID,
        ] {
            let scratch = ScratchDatabase {
                address: format!("mongodb://127.0.0.1:1/{name}?serverSelectionTimeoutMS=1"),
                name: name.to_owned(),
            };
            let refused = scratch.remove().await.unwrap_err();
            assert!(
                format!("{refused:?}").contains("not one of a trial"),
                "{refused:?}"
            );
        }
        assert!(
            ScratchDatabase::beside("mongodb://a/chats", "short")
                .await
                .is_err()
        );
    }

    #[test]
    fn a_long_name_is_cut_and_a_strange_one_made_plain() {
        let name = name_beside(&"é ".repeat(60), ID);
        assert_eq!(name.len(), NAME_BYTES_MAX);
        assert!(is_scratch(&name) && name.starts_with("__"));
    }
}
