import type { VNode } from 'preact';

import { LANGUAGES, isLanguage, language, words } from '../language/language';
import { THEMES, isTheme, theme } from '../model/theme';

export function Settings(): VNode {
  const t = words.value;
  return (
    <>
      <div class="settings">
        <label class="field">
          <span>{t.theme}</span>
          <select
            value={theme.value}
            onChange={({ currentTarget: { value } }) => {
              if (isTheme(value)) theme.value = value;
            }}
          >
            {THEMES.map((name) => (
              <option key={name} value={name}>
                {t.themes[name]}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          <span>{t.language}</span>
          <select
            value={language.value}
            onChange={({ currentTarget: { value } }) => {
              if (isLanguage(value)) language.value = value;
            }}
          >
            {Object.entries(LANGUAGES).map(([tag, name]) => (
              <option key={tag} value={tag} lang={tag}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </div>
      <ul class="links">
        <li>
          <a href="/graphql">{t.graphiql}</a>
        </li>
        <li>
          <a href="/docs">{t.docs}</a>
        </li>
      </ul>
    </>
  );
}
