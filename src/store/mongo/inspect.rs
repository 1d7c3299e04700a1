//! A look at the server and at the indexes of a database, which changes neither.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::Result as DriverResult;
use mongodb::options::{ReadConcern, ReadPreference, SelectionCriteria};
use mongodb::{Database, IndexModel};

use super::index_review::review;
use super::operation::{ANSWER_TIMEOUT, run};
use super::{MongoStore, indexes, make_client, read_address};
use crate::store::StoreError;
use crate::store::inspection::{IndexReview, MongoInspection, MongoPlace, MongoState, Topology};

/// The two documented collections.
pub(super) const CHATS: &str = "chats";
pub(super) const MESSAGES: &str = "chat_messages";

/// Ours.
pub(super) const DELETIONS: &str = "chat_deletions";
pub(super) const REVOCATIONS: &str = "revocations";
pub(super) const LEDGER: &str = "usage_ledger";
pub(super) const BILLS: &str = "usage_bills";
pub(super) const HEALTH: &str = "health";

/// All of them.
const COLLECTIONS: [&str; 7] = [CHATS, MESSAGES, DELETIONS, REVOCATIONS, LEDGER, BILLS, HEALTH];

/// What serving does with each collection, by the names of MongoDB's privilege actions.
const RIGHTS: [&str; 5] = ["find", "insert", "update", "remove", "createIndex"];

/// A database that is only looked at.
#[derive(Clone)]
pub(super) struct Looked {
    pub(super) database: Database,
    pub(super) place: MongoPlace,
    from: SelectionCriteria,
}

impl MongoStore {
    /// Looks at the server of a connection string, and at the indexes. Nothing is changed.
    pub async fn inspect(uri: &str) -> MongoInspection {
        match Looked::at(uri).await {
            Ok(mut looked) => {
                // Serving talks to the primary, whatever the address says.
                looked.from = SelectionCriteria::ReadPreference(ReadPreference::Primary);
                MongoInspection {
                    place: Some(looked.place.clone()),
                    state: looked.state().await,
                }
            }
            Err(error) => MongoInspection {
                place: None,
                state: Err(error),
            },
        }
    }
}

impl Looked {
    /// The database of a connection string, read from where it says: from the primary if it says nothing.
    pub(super) async fn at(uri: &str) -> Result<Self, StoreError> {
        let (mut options, database) = read_address(uri).await?;
        options.read_concern.get_or_insert(ReadConcern::majority());
        let place = MongoPlace {
            hosts: options.hosts.iter().map(ToString::to_string).collect(),
            database: database.clone(),
        };
        let primary = SelectionCriteria::ReadPreference(ReadPreference::Primary);
        let from = options.selection_criteria.clone().unwrap_or(primary);
        Ok(Self {
            database: make_client(options)?.database(&database),
            place,
            from,
        })
    }

    async fn state(&self) -> Result<MongoState, StoreError> {
        let hello = self.ask(doc! { "hello": 1 }).await?;
        let (version, version_major) = self.version().await?;
        // A member of a replica set tells the set's name, a router says `isdbgrid`.
        let topology = match (hello.get_str("setName"), hello.get_str("msg")) {
            (Ok(name), _) => Topology::ReplicaSet(name.to_owned()),
            (_, Ok(_)) => Topology::Sharded,
            _ => Topology::Standalone,
        };
        let there = self.collections().await?;
        let mut indexes = Vec::new();
        let documented = [(CHATS, indexes::of_chats()), (MESSAGES, indexes::of_messages())];
        for (collection, wanted) in documented.into_iter().chain(indexes::of_ours()) {
            let is_there = there.contains_key(collection);
            // Ours come with their indexes.
            if is_there || [CHATS, MESSAGES].contains(&collection) {
                indexes.push(self.indexes(collection, is_there, &wanted).await?);
            }
        }
        Ok(MongoState {
            version,
            version_major,
            topology,
            is_writable: hello.get_bool("isWritablePrimary").unwrap_or_default(),
            rights_missing: self.rights_missing().await?,
            // What cannot be told in time keeps nothing else from being told.
            has_unledgered: self.has_unledgered(&indexes).await.unwrap_or_default(),
            indexes,
        })
    }

    /// The server's version, and its first number.
    pub(super) async fn version(&self) -> Result<(String, u32), StoreError> {
        let build = self.ask(doc! { "buildInfo": 1 }).await?;
        let version = build.get_str("version").unwrap_or_default().to_owned();
        let major = version.split('.').next().and_then(|major| major.parse().ok());
        Ok((version, major.unwrap_or_default()))
    }

    /// What those of our collections that are there were told at their creation.
    pub(super) async fn collections(&self) -> Result<HashMap<String, Document>, StoreError> {
        let found = self.list(doc! { "listCollections": 1, "filter": { "name": { "$in": COLLECTIONS } } });
        let named = found.await?.into_iter().filter_map(|collection| {
            let name = collection.get_str("name").ok()?.to_owned();
            Some((name, collection))
        });
        Ok(named.collect())
    }

    /// The indexes of a collection, next to those that are needed.
    pub(super) async fn indexes(
        &self,
        collection: &'static str,
        is_there: bool,
        wanted: &[IndexModel],
    ) -> Result<IndexReview, StoreError> {
        let listed = match is_there {
            true => self.list(doc! { "listIndexes": collection }).await?,
            false => Vec::new(),
        };
        Ok(review(collection, &listed, wanted))
    }

    async fn rights_missing(&self) -> Result<Vec<&'static str>, StoreError> {
        let status = self
            .ask(doc! { "connectionStatus": 1, "showPrivileges": true })
            .await?;
        Ok(rights_missing(&status, &self.place.database))
    }

    async fn ask(&self, mut command: Document) -> Result<Document, StoreError> {
        command.insert(
            "maxTimeMS",
            i64::try_from(ANSWER_TIMEOUT.as_millis()).unwrap_or(i64::MAX),
        );
        let looked = self.clone();
        run(async move {
            let asked = looked.database.run_command(command);
            asked.selection_criteria(looked.from.clone()).await
        })
        .await
    }

    pub(super) async fn list(&self, command: Document) -> Result<Vec<Document>, StoreError> {
        let looked = self.clone();
        run(async move {
            let asked = looked.database.run_cursor_command(command);
            let cursor = asked.selection_criteria(looked.from.clone()).await?;
            cursor.try_collect().await as DriverResult<Vec<Document>>
        })
        .await
    }
}

/// Which of the rights that serving needs a user lacks, as `connectionStatus` tells. Nobody who is logged in as no
/// one lacks any: where that matters, the server has refused to answer before.
fn rights_missing(status: &Document, database: &str) -> Vec<&'static str> {
    let Ok(auth) = status.get_document("authInfo") else {
        return Vec::new();
    };
    let list = |name| auth.get_array(name).map(Vec::as_slice).unwrap_or_default();
    if list("authenticatedUsers").is_empty() {
        return Vec::new();
    }
    let privileges = list("authenticatedUserPrivileges");
    let has = |action: &str, collection: &str| {
        privileges.iter().filter_map(Bson::as_document).any(|privilege| {
            let is_of = |name, value: &str| {
                let resource = privilege.get_document("resource");
                resource.is_ok_and(|resource| {
                    let named = resource.get_str(name);
                    resource.get_bool("anyResource").unwrap_or_default()
                        || named.is_ok_and(|named| named.is_empty() || named == value)
                })
            };
            let actions = privilege
                .get_array("actions")
                .map(Vec::as_slice)
                .unwrap_or_default();
            is_of("db", database)
                && is_of("collection", collection)
                && actions.iter().any(|had| had.as_str() == Some(action))
        })
    };
    RIGHTS
        .into_iter()
        .filter(|action| !COLLECTIONS.iter().all(|collection| has(action, collection)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_lacks_what_none_of_its_privileges_allows_in_every_collection() {
        let status = |privileges: Vec<Document>| {
            doc! { "authInfo": { "authenticatedUsers": [{ "user": "u" }], "authenticatedUserPrivileges": privileges } }
        };
        let privilege =
            |resource: Document, actions: &[&str]| doc! { "resource": resource, "actions": actions };
        let writes = ["insert", "update", "remove", "createIndex"];
        let reads = privilege(doc! { "db": "d", "collection": "" }, &["find"]);
        assert_eq!(rights_missing(&status(vec![reads.clone()]), "d"), writes);
        assert_eq!(rights_missing(&status(vec![reads]), "e"), RIGHTS);
        let one = privilege(doc! { "db": "d", "collection": "chats" }, &RIGHTS);
        assert_eq!(rights_missing(&status(vec![one]), "d"), RIGHTS);
        let cluster = privilege(doc! { "cluster": true }, &RIGHTS);
        assert_eq!(rights_missing(&status(vec![cluster]), "d"), RIGHTS);
        for all in [doc! { "db": "", "collection": "" }, doc! { "anyResource": true }] {
            assert!(rights_missing(&status(vec![privilege(all, &RIGHTS)]), "d").is_empty());
        }
        assert!(rights_missing(&doc! { "authInfo": { "authenticatedUsers": [] } }, "d").is_empty());
    }
}
