// Markdown as elements. No string is ever taken for HTML: each token becomes an element that we chose, and whatever a
// text has of HTML is shown as the text it is. Images are named and linked, never loaded: to load one would tell its
// host who reads.

import type { MarkedToken, Token, Tokens } from 'marked';
import type { ComponentChildren, VNode } from 'preact';

import { words } from '../language/language';
import { safeAddress } from './address';

export function Tokens({ tokens }: { tokens: readonly Token[] }): VNode {
  return <>{tokens.map(rendered)}</>;
}

function rendered(token: Token, key: number): ComponentChildren {
  return element(token as MarkedToken, key);
}

const inner = (token: { tokens?: Token[]; text: string }): ComponentChildren =>
  token.tokens ? token.tokens.map(rendered) : token.text;

function element(token: MarkedToken, key: number): ComponentChildren {
  switch (token.type) {
    case 'paragraph':
      return <p key={key}>{inner(token)}</p>;
    case 'heading': {
      // Above it are the page's own headings: the chat's, and the message's.
      const Heading = `h${Math.min(6, token.depth + 2)}` as 'h3';
      return <Heading key={key}>{inner(token)}</Heading>;
    }
    case 'code':
      return (
        // Focusable, so that a long line can be scrolled to by keyboard.
        <pre key={key} tabIndex={0} role="region" aria-label={token.lang || 'code'}>
          <code>{token.text}</code>
        </pre>
      );
    case 'blockquote':
      return <blockquote key={key}>{inner(token)}</blockquote>;
    case 'list':
      return list(token, key);
    case 'table':
      return table(token, key);
    case 'hr':
      return <hr key={key} />;
    case 'space':
    case 'def':
      return null;
    case 'strong':
      return <strong key={key}>{inner(token)}</strong>;
    case 'em':
      return <em key={key}>{inner(token)}</em>;
    case 'del':
      return <del key={key}>{inner(token)}</del>;
    case 'codespan':
      return <code key={key}>{token.text}</code>;
    case 'br':
      return <br key={key} />;
    case 'link':
      return <Link key={key} address={token.href} children={inner(token)} />;
    case 'image':
      return <Link key={key} address={token.href} children={words.value.image(token.text)} />;
    case 'checkbox':
      return token.checked ? '☑ ' : '☐ ';
    case 'html':
      return token.raw;
    case 'escape':
      return token.text;
    case 'text':
      return inner(token);
    default:
      return (token as Token).raw;
  }
}

function Link({ address, children }: { address: string; children: ComponentChildren }): VNode {
  const safe = safeAddress(address);
  if (safe === null) return <>{children}</>;
  return (
    <a href={safe} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  );
}

function list(token: Tokens.List, key: number): VNode {
  const items = token.items.map((item, number) => <li key={number}>{inner(item)}</li>);
  if (!token.ordered) return <ul key={key}>{items}</ul>;
  return (
    <ol key={key} start={token.start === '' ? 1 : token.start}>
      {items}
    </ol>
  );
}

function table(token: Tokens.Table, key: number): VNode {
  const style = (cell: Tokens.TableCell): string | undefined => cell.align ?? undefined;
  return (
    <div key={key} class="table" tabIndex={0} role="region" aria-label="table">
      <table>
        <thead>
          <tr>
            {token.header.map((cell, number) => (
              <th key={number} scope="col" data-align={style(cell)}>
                {inner(cell)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {token.rows.map((row, number) => (
            <tr key={number}>
              {row.map((cell, place) => (
                <td key={place} data-align={style(cell)}>
                  {inner(cell)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
