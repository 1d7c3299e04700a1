//! Validation of input, each check in one place.

use super::{Error, Service};
use crate::domain::{ClientKey, UserId};

impl Service {
    pub(super) fn check_title(&self, title: &str) -> Result<(), Error> {
        let max = self.limits.title_chars_max;
        if self.is_refused_as_blank(title) || title.chars().nth(max).is_some() {
            return Err(Error::InvalidTitle { max });
        }
        Ok(())
    }

    pub(super) fn check_text(&self, text: &str) -> Result<(), Error> {
        let max = self.limits.text_bytes_max;
        if self.is_refused_as_blank(text) || text.len() > max {
            return Err(Error::InvalidText { max });
        }
        Ok(())
    }

    pub(super) fn check_label(&self, label: &'static str, text: &str) -> Result<(), Error> {
        let max = self.limits.label_chars_max;
        if self.is_refused_as_blank(text) || text.chars().nth(max).is_some() {
            return Err(Error::InvalidLabel { label, max });
        }
        Ok(())
    }

    fn is_refused_as_blank(&self, text: &str) -> bool {
        !self.limits.takes_blanks && text.trim().is_empty()
    }

    pub(super) fn check_user_id(&self, id: &UserId) -> Result<(), Error> {
        match id {
            UserId::Text(text) if text.is_empty() || text.len() > UserId::TEXT_BYTES_MAX => {
                Err(Error::InvalidUserId)
            }
            UserId::Int(_) | UserId::Text(_) => Ok(()),
        }
    }

    pub(super) fn client_key(&self, key: Option<&str>) -> Result<Option<ClientKey>, Error> {
        key.map(|key| ClientKey::parse(key).ok_or(Error::InvalidClientKey))
            .transpose()
    }
}
