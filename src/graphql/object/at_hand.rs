//! Objects whose fields are at hand: they are resolved where they stand.
//!
//! The executor makes a boxed future of each field of each object, waits for them together, and puts the values in order
//! again. For a field that waits for the store that is nothing; for the eight plain fields of each of fifty messages it is
//! most of what the answer costs. Whatever is not plain goes the executor's own way.

use std::borrow::Cow;

use async_graphql::indexmap::IndexMap;
use async_graphql::indexmap::map::Entry;
use async_graphql::parser::types::{Field, Selection, SelectionSet, TypeCondition};
use async_graphql::registry::Registry;
use async_graphql::{
    ContainerType, Context, ContextSelectionSet, Name, ObjectType, OutputType, Positioned, ServerResult,
    Value,
};
use futures_util::FutureExt;

/// Something some of whose fields need not be waited for.
pub trait AtHand: ContainerType {
    /// The value of a field that is selected, if it is one of those, and did not fail. It is asked for again if anything
    /// else that is selected has to be waited for.
    fn at_hand(&self, field: &Context<'_>) -> Option<Value>;
}

/// The value of a field of an object, if it is one of `names` and nothing below it waits.
pub fn plain<O: ContainerType>(object: &O, field: &Context<'_>, names: &[&str]) -> Option<Value> {
    let name = field.item.node.name.node.as_str();
    match names.contains(&name) {
        true => object.resolve_field(field).now_or_never()?.ok()?,
        false => None,
    }
}

/// The same object, resolved at once where all that is selected of it is at hand.
pub struct AtOnce<T>(pub T);

impl<T: AtHand> OutputType for AtOnce<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn introspection_type_name(&self) -> Cow<'static, str> {
        self.0.introspection_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(
        &self,
        context: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        let selected = &context.item.node;
        let mut values = IndexMap::with_capacity(selected.items.len());
        match take(&self.0, context, selected, &mut values) {
            Some(()) => Ok(Value::Object(values)),
            None => self.0.resolve(context, field).await,
        }
    }
}

impl<T: AtHand> ContainerType for AtOnce<T> {
    async fn resolve_field(&self, context: &Context<'_>) -> ServerResult<Option<Value>> {
        self.0.resolve_field(context).await
    }
}

impl<T: AtHand + ObjectType> ObjectType for AtOnce<T> {}

/// Takes what is selected; `None` as soon as anything of it is not at hand.
fn take<T: AtHand>(
    object: &T,
    context: &ContextSelectionSet<'_>,
    selected: &SelectionSet,
    values: &mut IndexMap<Name, Value>,
) -> Option<()> {
    for selection in &selected.items {
        match &selection.node {
            Selection::Field(field) if field.node.directives.is_empty() => {
                let value = match values.entry(field.node.response_key().node.clone()) {
                    Entry::Vacant(value) => value,
                    // The same field once more: the same value, unless it has fields of its own, which were to be merged.
                    Entry::Occupied(_) if field.node.selection_set.node.items.is_empty() => continue,
                    Entry::Occupied(_) => return None,
                };
                value.insert(match field.node.name.node.as_str() {
                    "__typename" => Value::String(object.introspection_type_name().into_owned()),
                    _ => object.at_hand(&context.with_field(field))?,
                });
            }
            Selection::InlineFragment(fragment) if fragment.node.directives.is_empty() => {
                let condition = fragment.node.type_condition.as_ref();
                let inner = &fragment.node.selection_set.node;
                take_if(object, context, condition.map(|it| &it.node), inner, values)?;
            }
            Selection::FragmentSpread(spread) if spread.node.directives.is_empty() => {
                let name = &spread.node.fragment_name.node;
                let fragment = &context.query_env.fragments.get(name)?.node;
                let condition = Some(&fragment.type_condition.node);
                take_if(object, context, condition, &fragment.selection_set.node, values)?;
            }
            _ => return None,
        }
    }
    Some(())
}

/// Takes what a fragment selects, if it is about objects like this one.
fn take_if<T: AtHand>(
    object: &T,
    context: &ContextSelectionSet<'_>,
    condition: Option<&TypeCondition>,
    selected: &SelectionSet,
    values: &mut IndexMap<Name, Value>,
) -> Option<()> {
    let concrete = object.introspection_type_name();
    let is_of = |name: &str| {
        let interfaces = context.schema_env.registry.implements.get(concrete.as_ref());
        name == concrete || name == T::type_name() || interfaces.is_some_and(|it| it.contains(name))
    };
    match condition.is_none_or(|condition| is_of(condition.on.node.as_str())) {
        true => take(object, context, selected, values),
        false => Some(()),
    }
}
