//! A survey for programs.

use serde_json::{Map, Value, json};

use super::zone;
use crate::store::inspection::{
    CollectionSurvey, FieldSurvey, Index, IndexReview, Reading, Revision, Survey,
};

/// A survey as JSON.
pub fn to_json(survey: &Survey) -> Value {
    let sample = survey.orphans.sample.as_ref();
    json!({
        "hosts": survey.place.hosts,
        "database": survey.place.database,
        "version": survey.version,
        "collections": survey.collections.iter().map(collection).collect::<Vec<_>>(),
        "orphans": {
            "messages": survey.orphans.messages,
            "sample": sample.map(|(message, chat)| json!({ "_id": message, "chat_id": chat })),
        },
    })
}

fn collection(survey: &CollectionSurvey) -> Value {
    let written_by = |revision| survey.revisions.get(&revision).copied().unwrap_or_default();
    let offsets: Map<_, _> = survey
        .offsets
        .quarters
        .iter()
        .map(|(quarters, count)| (zone(*quarters), json!(count)))
        .collect();
    let additions = survey.additions.iter();
    json!({
        "name": survey.collection,
        "is_there": survey.is_there,
        "options": survey.options,
        "documents": survey.documents,
        "revisions": {
            "early": written_by(Revision::Early),
            "base": written_by(Revision::Base),
            "late": written_by(Revision::Late),
        },
        "indexes": indexes(&survey.indexes),
        "fields": survey.fields.iter().map(field).collect::<Vec<_>>(),
        "clock": { "offsets": offsets, "beyond": survey.offsets.beyond },
        "additions": additions
            .map(|added| json!({ "name": added.name, "meaning": added.meaning }))
            .collect::<Vec<_>>(),
    })
}

fn indexes(review: &IndexReview) -> Value {
    let list = |indexes: &[Index]| indexes.iter().map(index).collect::<Vec<_>>();
    let conflicts = review.conflicts.iter();
    let conflicts = conflicts
        .map(|conflict| json!({ "wanted": index(&conflict.wanted), "existing": index(&conflict.existing) }));
    json!({
        "present": list(&review.present),
        "documented_missing": list(&review.documented_missing),
        "added": list(&review.added),
        "conflicts": conflicts.collect::<Vec<_>>(),
        "foreign": list(&review.foreign),
    })
}

fn index(index: &Index) -> Value {
    json!({
        "name": index.name,
        "keys": index.keys,
        "is_unique": index.is_unique,
        "expires_after_s": index.expires_after_s,
    })
}

fn field(survey: &FieldSurvey) -> Value {
    let kinds = survey.kinds.iter().map(|kind| {
        let (reading, default) = match kind.reading {
            Reading::Documented => ("documented", None),
            Reading::Understood => ("understood", None),
            Reading::Default(default) => ("default", Some(default)),
            Reading::Unread => ("unread", None),
            Reading::LeftOut => ("left_out", None),
        };
        json!({
            "kind": kind.kind,
            "count": kind.count,
            "sample": kind.sample,
            "reading": reading,
            "default": default,
        })
    });
    json!({ "name": survey.name, "kinds": kinds.collect::<Vec<_>>() })
}
