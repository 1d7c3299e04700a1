//! The documented rule for the text of a reply, where what was shown cannot be taken back: a snapshot replaces, a
//! partial appends, the end ends. No I/O.

/// What of a reply has been shown, and how much of that is known to be its text.
#[derive(Debug, Default)]
pub struct Assembly {
    shown: String,
    /// Up to here, in bytes, what was shown is the text as the server tells it now.
    confirmed: usize,
}

/// What to show.
#[derive(Debug, PartialEq)]
pub enum Show<'a> {
    /// It stands there already.
    Nothing,
    /// This, right behind what stands there.
    More(&'a str),
    /// What stands there is wrong: this instead of it.
    Again(&'a str),
}

impl Assembly {
    /// The text is told from its beginning, or from the beginning of a long one. Often it is what was shown already.
    pub fn snapshot(&mut self, text: &str) -> Show<'_> {
        self.confirmed = 0;
        self.partial(text)
    }

    /// The text goes on.
    pub fn partial(&mut self, text: &str) -> Show<'_> {
        let unconfirmed = self.shown.get(self.confirmed..).unwrap_or_default();
        if unconfirmed.starts_with(text) {
            self.confirmed += text.len();
            return Show::Nothing;
        }
        if let Some(more) = text.strip_prefix(unconfirmed) {
            let from = self.shown.len();
            self.shown.push_str(more);
            self.confirmed = self.shown.len();
            return Show::More(self.shown.get(from..).unwrap_or_default());
        }
        self.shown.truncate(self.confirmed);
        self.shown.push_str(text);
        self.confirmed = self.shown.len();
        Show::Again(&self.shown)
    }

    /// Whether nothing stands there.
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// There is no more of it. What was shown beyond its end, before its server died, never was part of it.
    pub fn end(&mut self) -> Show<'_> {
        if self.confirmed == self.shown.len() {
            return Show::Nothing;
        }
        self.shown.truncate(self.confirmed);
        Show::Again(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A screen that does what it is told.
    #[derive(Default)]
    struct Paper {
        text: String,
        corrections: usize,
    }

    impl Paper {
        fn show(&mut self, show: Show<'_>) {
            match show {
                Show::Nothing => {}
                Show::More(more) => self.text.push_str(more),
                Show::Again(text) => {
                    self.corrections += 1;
                    text.clone_into(&mut self.text);
                }
            }
        }
    }

    #[test]
    fn a_snapshot_of_what_was_shown_shows_only_what_is_new() {
        let mut assembly = Assembly::default();
        assert_eq!(assembly.snapshot("नम"), Show::More("नम"));
        assert_eq!(assembly.partial("स्ते"), Show::More("स्ते"));
        assert_eq!(assembly.snapshot("नमस्ते दुनिया"), Show::More(" दुनिया"));
        assert_eq!(assembly.end(), Show::Nothing);
    }

    #[test]
    fn a_snapshot_that_is_only_the_beginning_is_no_contradiction() {
        let mut assembly = Assembly::default();
        assembly.snapshot("one two three");
        assert_eq!(assembly.snapshot("one "), Show::Nothing);
        assert_eq!(assembly.partial("two "), Show::Nothing);
        assert_eq!(assembly.partial("three four"), Show::More(" four"));
        assert_eq!(assembly.end(), Show::Nothing);
    }

    #[test]
    fn another_text_is_shown_again_as_far_as_it_is_known() {
        let mut assembly = Assembly::default();
        assembly.snapshot("one two three");
        assert_eq!(assembly.snapshot("one "), Show::Nothing);
        assert_eq!(assembly.partial("too"), Show::Again("one too"));
        assert_eq!(assembly.partial(" many"), Show::More(" many"));
    }

    #[test]
    fn what_was_lost_with_its_server_is_taken_back_at_the_end() {
        let mut assembly = Assembly::default();
        assembly.snapshot("one two three");
        assert_eq!(assembly.snapshot("one two"), Show::Nothing);
        assert_eq!(assembly.end(), Show::Again("one two"));
        assert_eq!(assembly.end(), Show::Nothing);
    }

    /// What a server may tell of a text: from the beginning again, or on from where it was.
    #[derive(Clone, Debug)]
    enum Told {
        Again(usize),
        On(usize),
    }

    fn told() -> impl Strategy<Value = Vec<Told>> {
        let one = prop_oneof![
            (0_usize..9).prop_map(Told::Again),
            (1_usize..9).prop_map(Told::On)
        ];
        prop::collection::vec(one, 0..40)
    }

    proptest! {
        #[test]
        fn whatever_is_told_how_often_the_text_stands_there_and_is_corrected_never(
            text in "[a-zकखगनमस्तेि🌍 ]{0,40}",
            told in told(),
        ) {
            let letters: Vec<char> = text.chars().collect();
            let part = |from: usize, to: usize| letters[from..to].iter().collect::<String>();
            let (mut assembly, mut paper) = (Assembly::default(), Paper::default());
            let mut place = 0;
            for told in told.into_iter().chain([Told::On(letters.len())]) {
                match told {
                    Told::Again(to) => {
                        place = to.min(letters.len());
                        paper.show(assembly.snapshot(&part(0, place)));
                    }
                    Told::On(more) => {
                        let from = place;
                        place = (place + more).min(letters.len());
                        paper.show(assembly.partial(&part(from, place)));
                    }
                }
            }
            paper.show(assembly.end());
            prop_assert_eq!(paper.text, text);
            prop_assert_eq!(paper.corrections, 0);
        }

        #[test]
        fn a_text_that_became_another_is_corrected_once(
            kept in "[a-zक-ह]{0,10}",
            lost in "[a-zक-ह]{1,10}",
            instead in "[a-zक-ह]{0,10}",
        ) {
            let (mut assembly, mut paper) = (Assembly::default(), Paper::default());
            paper.show(assembly.snapshot(&format!("{kept}{lost}")));
            paper.show(assembly.snapshot(&kept));
            for letter in instead.chars() {
                paper.show(assembly.partial(&letter.to_string()));
            }
            paper.show(assembly.end());
            let text = format!("{kept}{instead}");
            let is_continued = text.starts_with(&format!("{kept}{lost}"));
            prop_assert_eq!(paper.text, text);
            prop_assert_eq!(paper.corrections, usize::from(!is_continued));
        }
    }
}
