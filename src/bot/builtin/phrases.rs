//! What the offline bot says.

use crate::domain::Language;

/// What a question is about.
pub(super) enum Topic {
    Greeting,
    Thanks,
    Help,
    Other,
}

impl Topic {
    /// The topic of a question.
    pub(super) fn of(question: &str) -> Self {
        let plain: String = question
            .trim()
            .trim_matches(|c: char| "!.,?।".contains(c))
            .to_lowercase();
        match plain.as_str() {
            "hello" | "hi" | "hey" | "good morning" | "good evening" | "नमस्ते" | "नमस्कार" => {
                Self::Greeting
            }
            "thanks" | "thank you" | "thx" | "धन्यवाद" | "शुक्रिया" => {
                Self::Thanks
            }
            "help" | "मदद" | "सहायता" => Self::Help,
            _ => Self::Other,
        }
    }
}

/// The fixed texts of one language.
pub(super) struct Phrases {
    pub(super) greeting: &'static str,
    pub(super) thanks: &'static str,
    pub(super) help: &'static str,
    pub(super) echo: &'static str,
    pub(super) filler: &'static str,
}

impl Phrases {
    /// Those of `language`.
    pub(super) const fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &Self {
                greeting: "Hello! I am the built-in bot. What would you like to talk about?",
                thanks: "You are welcome. Is there anything else?",
                help: "I am the built-in bot: I need no key and no network. Greet me, thank me, or write anything \
                       else and I will repeat it, word by word.",
                echo: "You wrote:",
                filler: "This line is here so that the reply is long enough to watch it arrive.",
            },
            Language::Hindi => &Self {
                greeting: "नमस्ते! मैं अंतर्निर्मित बॉट हूँ। आप किस बारे में बात करना चाहेंगे?",
                thanks: "आपका स्वागत है। क्या मैं कुछ और मदद कर सकता हूँ?",
                help: "मैं अंतर्निर्मित बॉट हूँ: मुझे न कुंजी चाहिए, न नेटवर्क। मुझे नमस्ते कहिए, धन्यवाद दीजिए, या कुछ भी \
                       लिखिए और मैं उसे शब्द दर शब्द दोहराऊँगा।",
                echo: "आपने लिखा:",
                filler: "यह पंक्ति इसलिए है कि उत्तर इतना लंबा हो कि आप उसे आते हुए देख सकें।",
            },
        }
    }
}
