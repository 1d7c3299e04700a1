//! The fixed texts of the documented socket: its own words where clients may know them, and neutral ones elsewhere.

use crate::domain::Language;
use crate::service::Error;

/// What is said of a frame that is no JSON.
pub const INVALID_JSON: &str = "Invalid JSON format";
/// What is said of JSON that cannot be worked with.
pub const UNPROCESSABLE: &str = "Error processing message";

/// What is said instead of a reply that failed.
pub fn apology(language: Language) -> &'static str {
    match language {
        Language::English => "I'm having trouble right now. You can try again.",
        Language::Hindi => "मुझे अभी कुछ परेशानी हो रही है। आप फिर से कोशिश कर सकते हैं।",
    }
}

/// What is said of a message that is too long.
pub fn too_long(language: Language, bytes_max: usize) -> String {
    match language {
        Language::English => format!("The message is too long: it may have {bytes_max} bytes."),
        Language::Hindi => format!("संदेश बहुत लंबा है: उसमें {bytes_max} बाइट हो सकते हैं।"),
    }
}

/// What is said of a message that was refused.
pub fn refusal(language: Language, error: &Error) -> String {
    let text = match (language, error) {
        (_, Error::InvalidText { max }) => return too_long(language, *max),
        (Language::English, Error::TooManyReplies) => "Too many replies wait in this chat. Please try again.",
        (Language::Hindi, Error::TooManyReplies) => "इस चैट में बहुत से उत्तर प्रतीक्षा में हैं। कृपया फिर से कोशिश करें।",
        (Language::English, Error::RateLimited { .. }) => "Too many messages. Please wait a moment.",
        (Language::Hindi, Error::RateLimited { .. }) => "बहुत सारे संदेश। कृपया थोड़ी देर रुकें।",
        (Language::English, Error::QuotaExceeded { .. }) => "Your tokens of today are used up.",
        (Language::Hindi, Error::QuotaExceeded { .. }) => "आज के आपके टोकन समाप्त हो गए हैं।",
        (Language::English, Error::Unavailable(_) | Error::ShuttingDown) => {
            "The server is not available. Please try again."
        }
        (Language::Hindi, Error::Unavailable(_) | Error::ShuttingDown) => {
            "सर्वर उपलब्ध नहीं है। कृपया फिर से कोशिश करें।"
        }
        _ => UNPROCESSABLE,
    };
    text.to_owned()
}
