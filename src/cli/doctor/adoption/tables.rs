//! A survey for people.

use super::{grouped, zone};
use crate::cli::page::Page;
use crate::store::inspection::{CollectionSurvey, Index, KindSurvey, Reading, Revision, Survey};

/// Adds a survey to a page.
pub fn tables(page: &mut Page, survey: &Survey) {
    page.heading(&format!(
        "Database {} on MongoDB {} at {}",
        survey.place.database,
        survey.version,
        survey.place.hosts.join(", ")
    ));
    page.gap();
    collections(page, survey);
    fields(page, survey);
    clocks(page, survey);
    indexes(page, survey);
    additions(page, survey);
}

fn collections(page: &mut Page, survey: &Survey) {
    page.heading("What is there");
    let rows = survey.collections.iter().map(|survey| {
        let written_by = |revision| grouped(survey.revisions.get(&revision).copied().unwrap_or_default());
        [
            survey.collection.to_owned(),
            grouped(survey.documents),
            written_by(Revision::Early),
            written_by(Revision::Base),
            written_by(Revision::Late),
        ]
    });
    page.table(
        ["collection", "documents", "as early", "as base", "as late"],
        rows.collect(),
    );
    page.gap();
}

/// What is not as documented, or is read as something else.
fn fields(page: &mut Page, survey: &Survey) {
    let rows = each(survey).flat_map(|survey| {
        survey.fields.iter().flat_map(|field| {
            let odd = field
                .kinds
                .iter()
                .filter(|kind| kind.reading != Reading::Documented);
            odd.map(|kind| {
                [
                    format!("{}.{}", survey.collection, field.name),
                    kind.kind.clone(),
                    grouped(kind.count),
                    kind.sample.clone(),
                    reading(kind),
                ]
            })
        })
    });
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        page.heading("What is read as something else");
        page.table(["field", "holds", "documents", "one of them", "is read as"], rows);
        page.gap();
    }
}

fn reading(kind: &KindSurvey) -> String {
    match kind.reading {
        Reading::Documented | Reading::Understood => "the same value".to_owned(),
        Reading::Default(default) => default.to_owned(),
        Reading::Unread => "nothing: it is kept, and not read".to_owned(),
        Reading::LeftOut => "nothing: lists leave the document out".to_owned(),
    }
}

fn clocks(page: &mut Page, survey: &Survey) {
    let rows = each(survey).flat_map(|survey| {
        let beyond = ("none that is a time zone's".to_owned(), survey.offsets.beyond);
        let quarters = survey.offsets.quarters.iter();
        let offsets = quarters.map(|(quarters, count)| (zone(*quarters), *count));
        let all = offsets.chain((beyond.1 > 0).then_some(beyond));
        all.map(|(offset, count)| [survey.collection.to_owned(), offset, grouped(count)])
    });
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        page.heading("How far the clock that dated the documents was ahead of UTC");
        page.table(["collection", "ahead by", "documents"], rows);
        page.gap();
    }
}

fn indexes(page: &mut Page, survey: &Survey) {
    page.heading("Indexes");
    let rows = survey.collections.iter().flat_map(|survey| {
        let review = &survey.indexes;
        let row = |index: &Index, what: &str| {
            [
                survey.collection.to_owned(),
                index.name.clone(),
                index.keys.clone(),
                what.to_owned(),
            ]
        };
        let of =
            |indexes: &[Index], what: &str| indexes.iter().map(|index| row(index, what)).collect::<Vec<_>>();
        let conflicts = review.conflicts.iter().map(|conflict| {
            let what = format!("cannot be made beside {}", conflict.existing.name);
            row(&conflict.wanted, &what)
        });
        let mut rows = of(&review.present, "is there");
        rows.extend(of(
            &review.documented_missing,
            "documented, and missing: would be made",
        ));
        rows.extend(of(&review.added, "would be added"));
        rows.extend(conflicts);
        rows.extend(of(&review.foreign, "somebody else's: would be left alone"));
        rows
    });
    page.table(["collection", "index", "keys", ""], rows.collect());
    page.gap();
}

fn additions(page: &mut Page, survey: &Survey) {
    page.heading("Fields that Colloquy adds to documents that it writes itself");
    let rows = survey.collections.iter().flat_map(|survey| {
        let additions = survey.additions.iter();
        additions.map(|added| {
            [
                format!("{}.{}", survey.collection, added.name),
                added.meaning.to_owned(),
            ]
        })
    });
    page.table(["field", "holds"], rows.collect());
    page.gap();
}

/// The collections that are there.
fn each(survey: &Survey) -> impl Iterator<Item = &CollectionSurvey> {
    survey.collections.iter().filter(|survey| survey.is_there)
}
