//! What is checked of a document before the executor sees it: two ways in which one small request could occupy or
//! end the process, which the executor's own limits come too late for.

use std::collections::HashMap;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{
    ExecutableDocument, FragmentDefinition, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::{ErrorExtensionValues, Name, Positioned, Request, ServerError, Value};

use crate::config::Limits;

/// Why a document is refused.
#[derive(Debug)]
pub enum Refusal {
    /// It is not GraphQL.
    Syntax(ServerError),
    /// Its brackets are nested too deeply.
    Nesting(usize),
    /// It has too many fields once its fragments are expanded.
    Fields(usize),
    /// Its selections are nested too deeply, through fragments.
    Depth,
    /// Its fragments spread each other in a circle.
    Cycle,
    /// A variable that must have a value has none.
    Variable(Name),
}

impl From<Refusal> for ServerError {
    fn from(refusal: Refusal) -> Self {
        let (mut error, code) = match refusal {
            Refusal::Syntax(error) => (error, "GRAPHQL_PARSE_FAILED"),
            Refusal::Nesting(max) => (
                Self::new(format!("A document may nest at most {max} brackets."), None),
                "QUERY_TOO_COMPLEX",
            ),
            Refusal::Fields(max) => (
                Self::new(format!("A document may select at most {max} fields."), None),
                "QUERY_TOO_COMPLEX",
            ),
            Refusal::Depth => (
                Self::new("The document's fragments nest too deeply.", None),
                "QUERY_TOO_COMPLEX",
            ),
            Refusal::Variable(name) => (
                Self::new(format!("The variable ${name} needs a value."), None),
                "GRAPHQL_VALIDATION_FAILED",
            ),
            Refusal::Cycle => (
                Self::new("Fragments may not spread each other in a circle.", None),
                "GRAPHQL_VALIDATION_FAILED",
            ),
        };
        error
            .extensions
            .get_or_insert_with(ErrorExtensionValues::default)
            .set("code", code);
        error
    }
}

/// Parses a document that is safe to validate and execute.
pub fn parse(query: &str, limits: &Limits) -> Result<ExecutableDocument, Refusal> {
    if nesting(query) > limits.nesting_max {
        return Err(Refusal::Nesting(limits.nesting_max));
    }
    let document = parse_query(query).map_err(|error| Refusal::Syntax(error.into()))?;
    let mut expansion = Expansion {
        fragments: &document.fragments,
        sizes: HashMap::new(),
        room: limits.nesting_max,
    };
    let mut total = 0_usize;
    for (_, operation) in document.operations.iter() {
        total = total.saturating_add(expansion.size(&operation.node.selection_set.node)?);
    }
    if total > limits.fields_max {
        return Err(Refusal::Fields(limits.fields_max));
    }
    Ok(document)
}

/// Refuses a request that leaves out a variable that must have a value. The executor finds out only where the variable
/// is used, when mutations before that place have run.
pub fn check_variables(document: &ExecutableDocument, request: &Request) -> Result<(), Refusal> {
    let meant = operations(document, request.operation_name.as_deref()).next();
    let definitions = meant.map(|operation| operation.variable_definitions.as_slice());
    for definition in definitions.unwrap_or_default() {
        let definition = &definition.node;
        let name = &definition.name.node;
        let is_given = request
            .variables
            .get(name)
            .is_some_and(|value| *value != Value::Null);
        if !definition.var_type.node.nullable && definition.default_value.is_none() && !is_given {
            return Err(Refusal::Variable(name.clone()));
        }
    }
    Ok(())
}

/// The operations that a request can mean: the one that it names, or any if it names none.
pub fn operations<'a>(
    document: &'a ExecutableDocument,
    name: Option<&'a str>,
) -> impl Iterator<Item = &'a OperationDefinition> {
    let operations = document.operations.iter();
    let meant = operations.filter(move |(own, _)| name.is_none() || own.map(Name::as_str) == name);
    meant.map(|(_, operation)| &operation.node)
}

/// How many brackets are open at once, strings and comments left out. Unclosed strings are the parser's to refuse.
fn nesting(query: &str) -> usize {
    let (mut open, mut deepest) = (0_usize, 0_usize);
    let mut rest = query.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match byte {
            b'{' | b'[' | b'(' => {
                open += 1;
                deepest = deepest.max(open);
            }
            b'}' | b']' | b')' => open = open.saturating_sub(1),
            b'#' => rest = skip_past(tail, |text| text.starts_with(b"\n").then_some(1)),
            b'"' if tail.starts_with(b"\"\"") => {
                rest = skip_past(tail.get(2..).unwrap_or_default(), |text| match text {
                    [b'\\', b'"', b'"', b'"', ..] => Some(0),
                    [b'"', b'"', b'"', ..] => Some(3),
                    _ => None,
                });
            }
            b'"' => {
                rest = skip_past(tail, |text| match text {
                    [b'\\', ..] => Some(0),
                    [b'"' | b'\n', ..] => Some(1),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    deepest
}

/// What follows the first place where `end` says how many bytes the end takes; 0 stands for an escape, which is
/// skipped together with the byte after it.
fn skip_past(text: &[u8], end: impl Fn(&[u8]) -> Option<usize>) -> &[u8] {
    let mut rest = text;
    while !rest.is_empty() {
        let step = match end(rest) {
            Some(0) if rest.starts_with(b"\\\"\"\"") => 4,
            Some(0) => 2,
            Some(length) => return rest.get(length..).unwrap_or_default(),
            None => 1,
        };
        rest = rest.get(step..).unwrap_or_default();
    }
    rest
}

/// Counts expanded fields, each fragment once.
struct Expansion<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    /// `None` while the fragment is being counted.
    sizes: HashMap<&'a Name, Option<usize>>,
    /// How much deeper selections may nest, fragments included: the validator follows them on its stack.
    room: usize,
}

impl<'a> Expansion<'a> {
    fn size(&mut self, set: &'a SelectionSet) -> Result<usize, Refusal> {
        self.room = self.room.checked_sub(1).ok_or(Refusal::Depth)?;
        let mut total = 0_usize;
        for selection in &set.items {
            let size = match &selection.node {
                Selection::Field(field) => 1_usize.saturating_add(self.size(&field.node.selection_set.node)?),
                Selection::InlineFragment(fragment) => self.size(&fragment.node.selection_set.node)?,
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node)?,
            };
            total = total.saturating_add(size);
        }
        self.room += 1;
        Ok(total)
    }

    fn fragment(&mut self, name: &Name) -> Result<usize, Refusal> {
        // An unknown fragment is the validator's to name.
        let Some((name, fragment)) = self.fragments.get_key_value(name) else {
            return Ok(1);
        };
        match self.sizes.get(name) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(Refusal::Cycle),
            None => {}
        }
        self.sizes.insert(name, None);
        // Even an empty expansion is walked by the validator, so a spread counts.
        let size = self.size(&fragment.node.selection_set.node)?.saturating_add(1);
        self.sizes.insert(name, Some(size));
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuse(query: &str) -> &'static str {
        match parse(query, &Limits::default()) {
            Ok(_) => "taken",
            Err(Refusal::Syntax(_)) => "syntax",
            Err(Refusal::Nesting(_)) => "nesting",
            Err(Refusal::Fields(_)) => "fields",
            Err(Refusal::Depth) => "depth",
            Err(Refusal::Cycle) => "cycle",
            Err(Refusal::Variable(_)) => "variable",
        }
    }

    #[test]
    fn nested_brackets_are_refused_before_the_parser_can_overflow_its_stack() {
        assert_eq!(refuse(&format!("{{a(b:{}", "[".repeat(100_000))), "nesting");
        assert_eq!(refuse(&format!("{{a(b:{}", "{c:".repeat(100_000))), "nesting");
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_count() {
        let brackets = "[".repeat(1000);
        assert_eq!(refuse(&format!("{{a(b:\"{brackets}\\\"{brackets}\")}}")), "taken");
        assert_eq!(
            refuse(&format!("{{a(b:\"\"\"{brackets}\\\"\"\"{brackets}\"\"\")}}")),
            "taken"
        );
        assert_eq!(refuse(&format!("# {brackets}\n{{a}}")), "taken");
        assert_eq!(refuse(&format!("{{a(b:\"x\") c(d: {brackets}")), "nesting");
    }

    #[test]
    fn a_long_chain_of_fragments_is_refused() {
        let chain: String = (0..9_000)
            .map(|n| format!("fragment F{n} on Q{{...F{m}}}", m = n + 1))
            .collect();
        assert_eq!(refuse(&format!("{{...F0}} {chain}")), "depth");
    }

    #[test]
    fn a_fragment_bomb_is_counted_once_per_fragment() {
        let bomb: String = (0..40)
            .map(|n| format!("fragment F{n} on Query{{...F{m} ...F{m}}}", m = n + 1))
            .collect();
        assert_eq!(
            refuse(&format!("{{...F0}} {bomb} fragment F40 on Query{{__typename}}")),
            "fields"
        );
    }

    #[test]
    fn a_circle_of_fragments_is_refused() {
        assert_eq!(
            refuse("{...A} fragment A on Query{...B} fragment B on Query{...A}"),
            "cycle"
        );
    }

    #[test]
    fn what_is_no_graphql_is_a_syntax_error() {
        assert_eq!(refuse("{"), "syntax");
        assert_eq!(refuse(""), "syntax");
    }
}
