/** The search box: one filter, checked while it is written, with what can come next offered. */
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { parseFilter } from '../domain/filter-parse.ts';
import { type Known, type Offer, offersAt } from './completion.ts';
import { visible } from './format.ts';
import { now } from './pulse.ts';

/** Milliseconds without a key after which the filter is taken, or told to be wrong. */
const PAUSE = 400;

interface SearchProps {
  readonly value: string;
  readonly known: Known;
  /** The box was entered: what can be chosen from may be fetched. */
  readonly onFocus: () => void;
  /** @param isFinal the reader pressed Enter */
  readonly onChange: (q: string, isFinal: boolean) => void;
}

export function Search({ value, known, onFocus, onChange }: SearchProps) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [text, write] = useState(value);
  const [isSettled, settle] = useState(true);
  const [offers, offer] = useState<readonly Offer[]>([]);
  const [chosen, choose] = useState(-1);
  const parsed = parseFilter(text, now.peek());

  // The URL was changed elsewhere.
  const written = useRef(value);
  useEffect(() => {
    if (value === written.current) return;
    written.current = value;
    write(value);
  }, [value]);

  const take = (q: string, isFinal: boolean): void => {
    settle(true);
    if (!parseFilter(q, now.peek()).ok) return;
    written.current = q.trim();
    onChange(q.trim(), isFinal);
  };
  useEffect(() => {
    if (isSettled) return;
    const timer = setTimeout(() => take(text, false), PAUSE);
    return () => clearTimeout(timer);
  }, [text, isSettled]);

  const look = (whole: string): void => {
    choose(-1);
    offer(offersAt(whole, input.current?.selectionStart ?? whole.length, known));
  };
  const accept = ({ text: added, from }: Offer): void => {
    const caret = input.current?.selectionStart ?? text.length;
    const whole = text.slice(0, from) + added + text.slice(caret);
    write(whole);
    settle(false);
    choose(-1);
    const place = from + added.length;
    // After the box shows the new text.
    setTimeout(() => {
      input.current?.setSelectionRange(place, place);
      offer(/[:>]$/.test(added) ? offersAt(whole, place, known) : []);
    });
  };
  const press = (event: KeyboardEvent): void => {
    const offered = offers[chosen];
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      if (offers.length === 0) look(text);
      else choose((chosen + (event.key === 'ArrowDown' ? 1 : -1) + offers.length + 1) % (offers.length + 1));
    } else if ((event.key === 'Enter' || event.key === 'Tab') && offered) {
      event.preventDefault();
      accept(offered);
    } else if (event.key === 'Enter') {
      offer([]);
      take(text, true);
    } else if (event.key === 'Escape') {
      event.stopPropagation();
      if (offers.length > 0) offer([]);
      else input.current?.blur();
    }
  };

  const isOpen = offers.length > 0;
  return (
    <div class="search grow">
      <input
        ref={input}
        id={`${id}q`}
        type="text"
        role="combobox"
        aria-label="Filter"
        aria-autocomplete="list"
        aria-expanded={isOpen}
        aria-controls={`${id}offers`}
        aria-activedescendant={offers[chosen] ? `${id}offer${chosen}` : undefined}
        aria-invalid={!parsed.ok}
        aria-describedby={parsed.ok ? undefined : `${id}wrong`}
        placeholder="Filter: state:FAILURE name:proj.* runtime>1.5   ( / )"
        autocomplete="off"
        spellcheck={false}
        maxLength={4000}
        value={text}
        onFocus={onFocus}
        onBlur={() => offer([])}
        onKeyDown={press}
        onInput={({ currentTarget }) => {
          write(currentTarget.value);
          settle(false);
          look(currentTarget.value);
        }}
      />
      <div class="offers" id={`${id}offers`} role="listbox" aria-label="What can come here" hidden={!isOpen}>
        {offers.map((each, n) => (
          // biome-ignore lint/a11y/useFocusableInteractive: the box keeps the focus, and says which one is active
          <div
            key={each.text}
            id={`${id}offer${n}`}
            role="option"
            aria-selected={n === chosen}
            onPointerDown={(event) => {
              event.preventDefault();
              accept(each);
            }}
          >
            <code>{visible(each.text)}</code> <span>{each.means}</span>
          </div>
        ))}
      </div>
      {!parsed.ok && isSettled && (
        <div class="wrong" id={`${id}wrong`} role="alert">
          {visible(text.slice(0, parsed.at))}
          <mark>{visible(text.slice(parsed.at, parsed.at + 1)) || ' '}</mark>
          {visible(text.slice(parsed.at + 1))}
          {'\n'}
          {visible(parsed.message)}
        </div>
      )}
    </div>
  );
}
