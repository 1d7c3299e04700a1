//! What is checked of a document before the executor sees it: two ways in which one small request could occupy or
//! end the process, which the executor's own limits come too late for.

use std::collections::HashMap;

use apollo_parser::{Lexer, TokenKind};
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{
    ExecutableDocument, Field, FragmentDefinition, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned, Request, ServerError, Value};

use serde_json::{Map, Value as Json};

use super::with_code;
use crate::config::Limits;

/// Why a document is refused.
#[derive(Debug)]
pub enum Refusal {
    /// It is not GraphQL.
    Syntax(ServerError),
    /// It has more of something than a document may have.
    TooMuch(TooMuch, usize),
    /// Its selections are nested too deeply, through fragments.
    Depth,
    /// Its fragments spread each other in a circle.
    Cycle,
    /// It asks for the schema, which is not told.
    Introspection,
    /// A variable that must have a value has none.
    Variable(Name),
}

/// What a document, or its variables, may have only so much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooMuch {
    /// Names, numbers, strings and punctuators.
    Tokens,
    /// Brackets that are open at once.
    Nesting,
    /// Fields, once the fragments are expanded.
    Fields,
    /// Fields of an operation's root.
    RootFields,
    /// Aliases, once the fragments are expanded.
    Aliases,
    /// Brackets that are open at once in the variables.
    VariablesNesting,
}

impl TooMuch {
    fn of(self, max: usize) -> String {
        match self {
            Self::Tokens => format!("A document may have at most {max} tokens."),
            Self::Nesting => format!("A document may nest at most {max} brackets."),
            Self::Fields => format!("A document may select at most {max} fields."),
            Self::RootFields => format!("An operation may select at most {max} fields of its root."),
            Self::Aliases => format!("A document may have at most {max} aliases."),
            Self::VariablesNesting => format!("Variables may nest at most {max} brackets."),
        }
    }
}

impl From<Refusal> for ServerError {
    fn from(refusal: Refusal) -> Self {
        let (error, code) = match refusal {
            Refusal::Syntax(error) => (error, "GRAPHQL_PARSE_FAILED"),
            Refusal::TooMuch(what, max) => (Self::new(what.of(max), None), "QUERY_TOO_COMPLEX"),
            Refusal::Depth => (
                Self::new("The document's fragments nest too deeply.", None),
                "QUERY_TOO_COMPLEX",
            ),
            Refusal::Variable(name) => (
                Self::new(format!("The variable ${name} needs a value."), None),
                "GRAPHQL_VALIDATION_FAILED",
            ),
            Refusal::Introspection => (
                Self::new("This server does not tell its schema.", None),
                "GRAPHQL_VALIDATION_FAILED",
            ),
            Refusal::Cycle => (
                Self::new("Fragments may not spread each other in a circle.", None),
                "GRAPHQL_VALIDATION_FAILED",
            ),
        };
        with_code(error, code)
    }
}

/// Parses a document that is safe to validate and execute.
pub fn parse(query: &str, limits: &Limits) -> Result<ExecutableDocument, Refusal> {
    check_tokens(query, limits)?;
    let document = parse_query(query).map_err(|error| Refusal::Syntax(error.into()))?;
    let mut expansion = Expansion {
        fragments: &document.fragments,
        sizes: HashMap::new(),
        room: limits.nesting_max,
        has_introspection: limits.has_introspection,
    };
    let (mut total, mut root_fields) = (Size::default(), 0);
    for (_, operation) in document.operations.iter() {
        let size = expansion.size(&operation.node.selection_set.node)?;
        root_fields = size.own_fields.max(root_fields);
        total = total.and(size);
    }
    at_most(total.fields, limits.fields_max, TooMuch::Fields)?;
    at_most(root_fields, limits.root_fields_max, TooMuch::RootFields)?;
    at_most(total.aliases, limits.aliases_max, TooMuch::Aliases)?;
    Ok(document)
}

fn at_most(count: usize, max: usize, what: TooMuch) -> Result<(), Refusal> {
    match count <= max {
        true => Ok(()),
        false => Err(Refusal::TooMuch(what, max)),
    }
}

/// Counts tokens, and brackets that are open at once, which the parser would follow on its stack. What is no token is
/// the parser's to refuse.
fn check_tokens(query: &str, limits: &Limits) -> Result<(), Refusal> {
    let (mut tokens, mut open) = (0_usize, 0_usize);
    for token in Lexer::new(query).flatten() {
        match token.kind() {
            TokenKind::Whitespace | TokenKind::Comment | TokenKind::Comma => continue,
            TokenKind::LCurly | TokenKind::LBracket | TokenKind::LParen => open += 1,
            TokenKind::RCurly | TokenKind::RBracket | TokenKind::RParen => open = open.saturating_sub(1),
            _ => {}
        }
        tokens += 1;
        at_most(tokens, limits.tokens_max, TooMuch::Tokens)?;
        at_most(open, limits.nesting_max, TooMuch::Nesting)?;
    }
    Ok(())
}

/// Refuses variables that nest deeply: whoever reads them follows them on its stack.
pub fn check_nesting(variables: &Map<String, Json>, limits: &Limits) -> Result<(), Refusal> {
    let max = limits.variables_nesting_max;
    let mut level: Vec<&Json> = variables.values().collect();
    for _ in 0..max {
        let inner = level.into_iter().flat_map(|value| match value {
            Json::Array(items) => items.iter().collect::<Vec<_>>(),
            Json::Object(fields) => fields.values().collect(),
            _ => Vec::new(),
        });
        level = inner.collect();
        if level.is_empty() {
            return Ok(());
        }
    }
    Err(Refusal::TooMuch(TooMuch::VariablesNesting, max))
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

/// Whether a selection has a field of one of these names, its fragments expanded. Of a document that was found harmless:
/// it has so many fields at most, and no circle.
pub fn selects(document: &ExecutableDocument, set: &SelectionSet, names: &[&str]) -> bool {
    set.items.iter().any(|selection| match &selection.node {
        Selection::Field(field) => names.contains(&field.node.name.node.as_str()),
        Selection::InlineFragment(fragment) => selects(document, &fragment.node.selection_set.node, names),
        Selection::FragmentSpread(spread) => {
            let fragment = document.fragments.get(&spread.node.fragment_name.node);
            fragment.is_some_and(|fragment| selects(document, &fragment.node.selection_set.node, names))
        }
    })
}

/// What a selection asks for, its fragments expanded.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    fields: usize,
    aliases: usize,
    /// The fields of the selection itself.
    own_fields: usize,
}

impl Size {
    fn and(self, other: Self) -> Self {
        Self {
            fields: self.fields.saturating_add(other.fields),
            aliases: self.aliases.saturating_add(other.aliases),
            own_fields: self.own_fields.saturating_add(other.own_fields),
        }
    }
}

/// Counts expanded fields, each fragment once.
struct Expansion<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    /// `None` while the fragment is being counted.
    sizes: HashMap<&'a Name, Option<Size>>,
    /// How much deeper selections may nest, fragments included: the validator follows them on its stack.
    room: usize,
    has_introspection: bool,
}

impl<'a> Expansion<'a> {
    fn size(&mut self, set: &'a SelectionSet) -> Result<Size, Refusal> {
        self.room = self.room.checked_sub(1).ok_or(Refusal::Depth)?;
        let mut total = Size::default();
        for selection in &set.items {
            let size = match &selection.node {
                Selection::Field(field) => self.field(&field.node)?,
                Selection::InlineFragment(fragment) => self.size(&fragment.node.selection_set.node)?,
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node)?,
            };
            total = total.and(size);
        }
        self.room += 1;
        Ok(total)
    }

    fn field(&mut self, field: &'a Field) -> Result<Size, Refusal> {
        if !self.has_introspection && ["__schema", "__type"].contains(&field.name.node.as_str()) {
            return Err(Refusal::Introspection);
        }
        let below = self.size(&field.selection_set.node)?;
        Ok(Size {
            fields: below.fields.saturating_add(1),
            aliases: below.aliases.saturating_add(usize::from(field.alias.is_some())),
            own_fields: 1,
        })
    }

    fn fragment(&mut self, name: &Name) -> Result<Size, Refusal> {
        // Even an empty expansion is walked by the validator, so a spread counts.
        let spread = Size {
            fields: 1,
            ..Size::default()
        };
        // An unknown fragment is the validator's to name.
        let Some((name, fragment)) = self.fragments.get_key_value(name) else {
            return Ok(spread);
        };
        match self.sizes.get(name) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(Refusal::Cycle),
            None => {}
        }
        self.sizes.insert(name, None);
        let size = self.size(&fragment.node.selection_set.node)?.and(spread);
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
            Err(Refusal::TooMuch(TooMuch::Tokens, _)) => "tokens",
            Err(Refusal::TooMuch(TooMuch::Nesting, _)) => "nesting",
            Err(Refusal::TooMuch(TooMuch::Fields, _)) => "fields",
            Err(Refusal::TooMuch(TooMuch::RootFields, _)) => "root fields",
            Err(Refusal::TooMuch(TooMuch::Aliases, _)) => "aliases",
            Err(Refusal::TooMuch(TooMuch::VariablesNesting, _)) => "variables",
            Err(Refusal::Depth) => "depth",
            Err(Refusal::Cycle) => "cycle",
            Err(Refusal::Introspection) => "introspection",
            Err(Refusal::Variable(_)) => "variable",
        }
    }

    #[test]
    fn a_field_of_the_root_is_found_also_in_fragments() {
        for (query, is_found) in [
            ("mutation { a }", true),
            ("mutation { b: a c }", true),
            (
                "mutation { c ...F } fragment F on M { ... on M { ...G } } fragment G on M { a }",
                true,
            ),
            (
                "mutation { a: b c { a } ...F ...H } fragment F on M { b { a } }",
                false,
            ),
        ] {
            let document = parse(query, &Limits::default()).unwrap();
            let operation = operations(&document, None).next().unwrap();
            let found = selects(&document, &operation.selection_set.node, &["a", "z"]);
            assert_eq!(found, is_found, "{query}");
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
        let chain: String = (0..1_000)
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
    fn floods_of_tokens_root_fields_and_aliases_are_refused() {
        let flood = |of: &str, count: usize| of.repeat(count);
        assert_eq!(refuse(&format!("{{{}}}", flood("a ", 51))), "root fields");
        assert_eq!(refuse(&format!("{{a{{{}}}}}", flood("b:a ", 201))), "aliases");
        assert_eq!(refuse(&format!("{{{}}}", flood("a ", 10_000))), "tokens");
        assert_eq!(refuse(&format!("{{a(b:[{}])}}", flood("1,", 9_000))), "taken");
        let spread = "fragment F on Query{a:b a:b a:b}";
        assert_eq!(
            refuse(&format!("{{{}}} {spread}", flood("...F ", 17))),
            "root fields"
        );
        assert_eq!(refuse(&format!("{{{}}} {spread}", flood("...F ", 16))), "taken");
    }

    #[test]
    fn variables_nest_so_deep_and_no_deeper() {
        let limits = Limits::default();
        let nested = |depth: usize| {
            let text = format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
            serde_json::from_str::<Map<String, Json>>(&text).unwrap()
        };
        let max = limits.variables_nesting_max;
        assert!(check_nesting(&nested(max - 1), &limits).is_ok());
        assert!(check_nesting(&nested(max), &limits).is_err());
    }

    #[test]
    fn what_is_no_graphql_is_a_syntax_error() {
        assert_eq!(refuse("{"), "syntax");
        assert_eq!(refuse(""), "syntax");
    }
}
