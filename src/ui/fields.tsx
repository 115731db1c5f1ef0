/** The fields of a form. Each tells what is wrong with it. */
import type { ComponentChildren } from 'preact';
import type { ErrorAnswer } from '../contract/api.ts';
import { visible } from './format.ts';

interface ToldProps {
  readonly parameter: string;
  readonly fault: ErrorAnswer | null;
}

/** A field, and what is wrong with it. */
export function Told({ parameter, fault, children }: ToldProps & { readonly children: ComponentChildren }) {
  return (
    <div class="field">
      {children}
      {fault && (
        <p class="fault" id={`fault-${parameter}`} role="alert">
          {visible(fault.error)}
        </p>
      )}
    </div>
  );
}

export interface FieldProps extends ToldProps {
  readonly title: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
}

/** What ties an input to its fault. */
function tied({ parameter, fault }: ToldProps) {
  return { 'aria-invalid': fault !== null, 'aria-describedby': fault ? `fault-${parameter}` : undefined };
}

export function Line(props: FieldProps & { readonly list?: readonly string[] }) {
  const { title, value, onInput, parameter, list } = props;
  const id = list && `list-${parameter}`;
  return (
    <Told {...props}>
      <label>
        <span>{title}</span>
        <input
          type="text"
          autocomplete="off"
          spellcheck={false}
          list={id}
          value={value}
          onInput={({ currentTarget }) => onInput(currentTarget.value)}
          {...tied(props)}
        />
      </label>
      {list && (
        <datalist id={id}>
          {list.map((each) => (
            <option key={each} value={each} />
          ))}
        </datalist>
      )}
    </Told>
  );
}

export function Area(props: FieldProps) {
  const { title, value, onInput } = props;
  return (
    <Told {...props}>
      <label>
        <span>{title}</span>
        <textarea
          class="mono"
          rows={Math.min(8, value.split('\n').length)}
          spellcheck={false}
          value={value}
          onInput={({ currentTarget }) => onInput(currentTarget.value)}
          {...tied(props)}
        />
      </label>
    </Told>
  );
}

export function Choice(props: FieldProps & { readonly of: readonly string[] }) {
  const { title, value, onInput, of } = props;
  return (
    <Told {...props}>
      <label>
        <span>{title}</span>
        <select value={value} onChange={({ currentTarget }) => onInput(currentTarget.value)} {...tied(props)}>
          {of.map((each) => (
            <option key={each} value={each}>
              {each}
            </option>
          ))}
        </select>
      </label>
    </Told>
  );
}

interface TickProps {
  readonly title: string;
  readonly value: boolean;
  readonly onChange: (value: boolean) => void;
}

export function Tick({ title, value, onChange }: TickProps) {
  return (
    <div class="field">
      <label>
        <input type="checkbox" checked={value} onChange={({ currentTarget }) => onChange(currentTarget.checked)} />{' '}
        <span>{title}</span>
      </label>
    </div>
  );
}
