//! A collection, looked at in passes over so many documents each, in the order of their ids: however large it is, no
//! command of ours runs for long, holds much, or keeps an old snapshot alive.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::Collection;
use mongodb::bson::raw::RawBsonRef;
use mongodb::bson::{Bson, Document, RawDocument, RawDocumentBuf, doc};
use mongodb::error::Result as DriverResult;
use mongodb::options::Hint;

use super::super::fields::Fields;
use super::super::operation::{ANSWER_TIMEOUT, run_for};
use super::fields::{Field, MISSING};
use crate::store::StoreError;
use crate::store::inspection::{FieldSurvey, KindSurvey, Offsets, Orphans, Revision};

/// Documents of one pass.
const DOCUMENTS_MAX: i64 = 10_000;
/// How long the server may work on one pass: far longer than a slow disk needs for so many documents.
const PASS_TIMEOUT: Duration = Duration::from_secs(60);
/// Time zones are from 12 hours behind UTC to 14 ahead of it.
const QUARTERS_MAX: i32 = 14 * 4;
/// Stands for an offset that no time zone has.
const BEYOND: i32 = 1_000_000;
/// Dates whose difference from an id's can be told: those of the years 1900 to 2200 and so, in milliseconds.
const DATES: [i64; 2] = [-2_208_988_800_000, 7_258_118_400_000];
const QUARTER_MS: i64 = 15 * 60 * 1000;

/// A collection that is being looked at, and what was found so far.
pub(super) struct Passes {
    collection: Collection<RawDocumentBuf>,
    fields: &'static [Field],
    /// The field with the date of creation.
    time: &'static str,
    /// The last `_id` that was looked at.
    last: Option<Bson>,
    pub(super) documents: u64,
    kinds: Vec<BTreeMap<String, KindSurvey>>,
    pub(super) revisions: BTreeMap<Revision, u64>,
    pub(super) offsets: Offsets,
}

impl Passes {
    /// Before the first pass.
    pub(super) fn over(
        collection: Collection<RawDocumentBuf>,
        fields: &'static [Field],
        time: &'static str,
    ) -> Self {
        Self {
            collection,
            fields,
            time,
            last: None,
            documents: 0,
            kinds: vec![BTreeMap::new(); fields.len()],
            revisions: BTreeMap::new(),
            offsets: Offsets::default(),
        }
    }

    /// How many documents there are, as the server estimates.
    pub(super) async fn expected(&self) -> Result<u64, StoreError> {
        let collection = self.collection.clone();
        run_for(ANSWER_TIMEOUT, async move {
            collection
                .estimated_document_count()
                .max_time(ANSWER_TIMEOUT)
                .await
        })
        .await
    }

    /// Looks at the next documents; the bounds of their ids, or `None` if there are no more.
    pub(super) async fn next(&mut self) -> Result<Option<Bounds>, StoreError> {
        let mut key = Document::new();
        for (n, field) in self.fields.iter().enumerate() {
            key.insert(field_key(n), field.kind());
        }
        key.insert("offset", offset(self.time));
        let sums = doc! {
            "_id": key,
            "count": { "$sum": 1 },
            "sample": { "$first": "$_id" },
            "last": { "$max": "$_id" },
        };
        let mut pipeline = Vec::new();
        if let Some(last) = &self.last {
            pipeline.push(doc! { "$match": { "$expr": is_after(last) } });
        }
        pipeline.extend([
            doc! { "$sort": { "_id": 1 } },
            doc! { "$limit": DOCUMENTS_MAX },
            doc! { "$group": sums },
            // The last of the groups is the last document.
            doc! { "$sort": { "last": 1 } },
        ]);
        let groups = self.aggregate(pipeline).await?;
        let Some(last) = groups.last().and_then(|group| value(group, "last")) else {
            return Ok(None);
        };
        for group in &groups {
            self.note(group);
        }
        let after = self.last.replace(last.clone());
        Ok(Some(Bounds { after, last }))
    }

    fn note(&mut self, document: &RawDocument) {
        let group = Fields::of(document);
        let count = group.integer("count").unwrap_or_default().unsigned_abs();
        let sample = value(document, "sample").map_or_else(String::new, |id| sample(&id));
        self.documents += count;
        let Some(key) = group.nested("_id") else {
            return;
        };
        let kind_of = |n: usize| key.text(&field_key(n)).unwrap_or(MISSING);
        for (n, (field, kinds)) in self.fields.iter().zip(&mut self.kinds).enumerate() {
            let kind = kind_of(n);
            let known = kinds.entry(kind.to_owned()).or_insert_with(|| KindSurvey {
                kind: kind.to_owned(),
                count: 0,
                sample: sample.clone(),
                reading: field.reading(kind),
            });
            known.count += count;
        }
        let kind_named = |name: &str| {
            let place = self.fields.iter().position(|field| field.name == name);
            place.map_or(MISSING, kind_of)
        };
        *self.revisions.entry(revision(kind_named)).or_default() += count;
        match key
            .integer("offset")
            .and_then(|offset| i32::try_from(offset).ok())
        {
            Some(BEYOND) => self.offsets.beyond += count,
            Some(quarters) => *self.offsets.quarters.entry(quarters).or_default() += count,
            None => {}
        }
    }

    /// Adds the messages of a pass whose chat is not in the collection `chats`.
    pub(super) async fn note_orphans(
        &self,
        of: &Bounds,
        chats: &str,
        orphans: &mut Orphans,
    ) -> Result<(), StoreError> {
        let until = doc! { "$lte": ["$_id", { "$literal": of.last.clone() }] };
        let within = match &of.after {
            Some(after) => doc! { "$and": [is_after(after), until] },
            None => until,
        };
        let lookup = doc! {
            "from": chats,
            "localField": "_id",
            "foreignField": "_id",
            "pipeline": [{ "$project": { "_id": 1 } }],
            "as": "chat",
        };
        let pipeline = vec![
            doc! { "$match": { "$expr": within, "chat_id": { "$type": "objectId" } } },
            doc! { "$sort": { "_id": 1 } },
            doc! { "$group": { "_id": "$chat_id", "count": { "$sum": 1 }, "sample": { "$first": "$_id" } } },
            doc! { "$lookup": lookup },
            doc! { "$match": { "chat": { "$size": 0 } } },
            doc! { "$sort": { "sample": 1 } },
            doc! { "$group": {
                "_id": Bson::Null,
                "count": { "$sum": "$count" },
                "sample": { "$first": "$sample" },
                "chat": { "$first": "$_id" },
            } },
        ];
        for sum in self.aggregate(pipeline).await? {
            let text = |name| value(&sum, name).map_or_else(String::new, |id| sample(&id));
            orphans.messages += Fields::of(&sum)
                .integer("count")
                .unwrap_or_default()
                .unsigned_abs();
            orphans
                .sample
                .get_or_insert_with(|| (text("sample"), text("chat")));
        }
        Ok(())
    }

    /// What is in each field, the most frequent first.
    pub(super) fn fields(&self) -> Vec<FieldSurvey> {
        let fields = self.fields.iter().zip(&self.kinds).map(|(field, kinds)| {
            let mut kinds: Vec<_> = kinds.values().cloned().collect();
            kinds.sort_by_key(|kind| std::cmp::Reverse(kind.count));
            FieldSurvey {
                name: field.name,
                kinds,
            }
        });
        fields.collect()
    }

    async fn aggregate(&self, pipeline: Vec<Document>) -> Result<Vec<RawDocumentBuf>, StoreError> {
        let collection = self.collection.clone();
        run_for(PASS_TIMEOUT + ANSWER_TIMEOUT, async move {
            let aggregate = collection.aggregate(pipeline).with_type::<RawDocumentBuf>();
            let cursor = aggregate
                .hint(Hint::Name("_id_".to_owned()))
                .allow_disk_use(true)
                .max_time(PASS_TIMEOUT)
                .await?;
            cursor.try_collect().await as DriverResult<Vec<_>>
        })
        .await
    }
}

/// The documents of one pass: those behind one id, up to and with another.
pub(super) struct Bounds {
    after: Option<Bson>,
    last: Bson,
}

/// As an expression, because a plain comparison passes over ids of other types.
fn is_after(id: &Bson) -> Document {
    doc! { "$gt": ["$_id", { "$literal": id.clone() }] }
}

fn field_key(n: usize) -> String {
    format!("f{n}")
}

/// How many quarters of an hour a date is ahead of the moment inside the `_id`; null where there are no such two.
fn offset(time: &str) -> Document {
    let field = format!("${time}");
    let [first, last] = DATES.map(mongodb::bson::DateTime::from_millis);
    // A type on its own would not do: the difference from a date at the end of all times cannot be told.
    let are_both = doc! { "$and": [
        { "$eq": [{ "$type": &field }, "date"] },
        { "$eq": [{ "$type": "$_id" }, "objectId"] },
        { "$gte": [&field, first] },
        { "$lte": [&field, last] },
    ] };
    let ahead = doc! { "$subtract": [&field, { "$toDate": "$_id" }] };
    let quarters = doc! { "$round": [{ "$divide": [ahead, QUARTER_MS] }, 0] };
    let is_zone = doc! { "$lte": [{ "$abs": "$$quarters" }, QUARTERS_MAX] };
    let told = doc! { "$let": {
        "vars": { "quarters": quarters },
        "in": { "$cond": [is_zone, { "$toInt": "$$quarters" }, BEYOND] },
    } };
    doc! { "$cond": [are_both, told, Bson::Null] }
}

/// Which revision wrote a document, by the kinds of its fields.
fn revision<'a>(kind_of: impl Fn(&str) -> &'a str) -> Revision {
    let is_late = kind_of("user_id").starts_with("string")
        || kind_of("token").starts_with("string")
        || kind_of("citation") != MISSING;
    match is_late {
        true => Revision::Late,
        false if kind_of("training_doc_id") == MISSING => Revision::Early,
        false => Revision::Base,
    }
}

fn value(document: &RawDocument, name: &str) -> Option<Bson> {
    let value: RawBsonRef<'_> = document.get(name).ok().flatten()?;
    Bson::try_from(value).ok()
}

/// An id as text: cut short, as anything may stand there.
fn sample(id: &Bson) -> String {
    const CHARS_MAX: usize = 64;
    match id {
        Bson::ObjectId(id) => id.to_hex(),
        other => other.to_string().chars().take(CHARS_MAX).collect(),
    }
}
