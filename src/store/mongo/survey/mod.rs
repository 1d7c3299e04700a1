//! A look at every document of a documented database, which changes nothing: what is in it, what will be read instead
//! of what is not, and what Colloquy would add.

mod fields;
mod pass;

use mongodb::IndexModel;
use mongodb::bson::Document;

use self::fields::{ADDITIONS_TO_CHATS, ADDITIONS_TO_MESSAGES, Field, OF_CHATS, OF_MESSAGES};
use self::pass::Passes;
use super::inspect::{CHATS, Looked, MESSAGES};
use super::{MongoStore, indexes};
use crate::store::StoreError;
use crate::store::inspection::{Addition, CollectionSurvey, Orphans, Survey, SurveyProgress, Surveyed};

/// One of the two collections.
struct Documented {
    name: &'static str,
    fields: &'static [Field],
    time: &'static str,
    indexes: fn() -> Vec<IndexModel>,
    additions: &'static [Addition],
}

const DOCUMENTED: [Documented; 2] = [
    Documented {
        name: CHATS,
        fields: OF_CHATS,
        time: "created_at",
        indexes: indexes::of_chats,
        additions: ADDITIONS_TO_CHATS,
    },
    Documented {
        name: MESSAGES,
        fields: OF_MESSAGES,
        time: "created_ts",
        indexes: indexes::of_messages,
        additions: ADDITIONS_TO_MESSAGES,
    },
];

impl MongoStore {
    /// Looks at every document of the database of a connection string, and at its indexes. Nothing is changed, and the
    /// right to read is enough. `progress` is told of each pass.
    pub async fn survey(uri: &str, progress: &(dyn Fn(SurveyProgress) + Send + Sync)) -> Surveyed {
        match Looked::at(uri).await {
            Ok(looked) => Surveyed {
                place: Some(looked.place.clone()),
                survey: looked.survey(progress).await,
            },
            Err(error) => Surveyed {
                place: None,
                survey: Err(error),
            },
        }
    }
}

impl Looked {
    async fn survey(&self, progress: &(dyn Fn(SurveyProgress) + Send + Sync)) -> Result<Survey, StoreError> {
        let (version, _) = self.version().await?;
        let there = self.collections().await?;
        let mut orphans = Orphans::default();
        let mut collections = Vec::new();
        for documented in &DOCUMENTED {
            let told = there.get(documented.name);
            let survey = self.survey_one(documented, told, progress, &mut orphans);
            collections.push(survey.await?);
        }
        Ok(Survey {
            place: self.place.clone(),
            version,
            collections,
            orphans,
        })
    }

    async fn survey_one(
        &self,
        documented: &Documented,
        told: Option<&Document>,
        progress: &(dyn Fn(SurveyProgress) + Send + Sync),
        orphans: &mut Orphans,
    ) -> Result<CollectionSurvey, StoreError> {
        let options = told.map(options).unwrap_or_default();
        let is_collection = told.is_some() && !options.iter().any(|option| option == VIEW);
        let collection = self.database.collection(documented.name);
        let mut passes = Passes::over(collection, documented.fields, documented.time);
        if is_collection {
            let expected = passes.expected().await?;
            while let Some(bounds) = passes.next().await? {
                if documented.name == MESSAGES {
                    passes.note_orphans(&bounds, CHATS, orphans).await?;
                }
                progress(SurveyProgress {
                    collection: documented.name,
                    looked_at: passes.documents,
                    expected,
                });
            }
        }
        let wanted = (documented.indexes)();
        Ok(CollectionSurvey {
            collection: documented.name,
            is_there: told.is_some(),
            options,
            documents: passes.documents,
            indexes: self.indexes(documented.name, is_collection, &wanted).await?,
            fields: passes.fields(),
            revisions: passes.revisions,
            offsets: passes.offsets,
            additions: documented.additions,
        })
    }
}

const VIEW: &str = "view";

/// What a collection was told at its creation.
fn options(told: &Document) -> Vec<String> {
    let kind = told.get_str("type").ok().filter(|kind| *kind != "collection");
    let options = told.get_document("options").ok();
    let names = options.into_iter().flat_map(Document::keys).map(String::as_str);
    kind.into_iter().chain(names).map(str::to_owned).collect()
}
