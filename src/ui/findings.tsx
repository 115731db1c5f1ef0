/** What is not as it should be, and what to type: as `celerycam doctor` has it, as far as the recorder has heard. */
import type { FindingsAnswer } from '../contract/api.ts';
import { plural, visible } from './format.ts';
import { useAnswer } from './inquiry.ts';
import { Problem } from './parts.tsx';
import { history, slowBeat } from './pulse.ts';
import { hrefOf } from './router.ts';
import './style/findings.css';

type Finding = FindingsAnswer['parts'][number]['findings'][number];

const SIGNS: Readonly<Record<Finding['level'], readonly [sign: string, word: string]>> = {
  ok: ['✓', 'good'],
  note: ['·', 'note'],
  problem: ['✕', 'problem'],
};

function useFindings() {
  return useAnswer('findings', slowBeat.value, (signal) => history.findings({}, { signal }));
}

export function Findings() {
  const { value, error } = useFindings();
  return (
    <section class="panel">
      <div class="title">
        <h2>Is all as it should be?</h2>
        <span class="soft">
          as far as was heard; <code>celerycam doctor</code> asks the workers, too
        </span>
      </div>
      <Problem error={error} />
      <div class="findings">
        {value?.parts.map(({ title, findings }) => (
          <div key={title}>
            <h3>{visible(title)}</h3>
            <ul>
              {findings.map((finding) => (
                <One key={finding.text} of={finding} />
              ))}
            </ul>
          </div>
        ))}
      </div>
    </section>
  );
}

/** The first thing that keeps a part from its work, for where that part is shown. Nothing where all is well. */
export function Problems({ title }: { readonly title: string }) {
  const { value, error } = useFindings();
  const part = value?.parts.find((each) => each.title === title);
  const [first, ...others] = part?.findings.filter(({ level }) => level === 'problem') ?? [];
  return (
    <>
      <Problem error={error} />
      {first && (
        <section class="panel findings" aria-label="What is wrong">
          <div>
            <ul>
              <One of={first} />
            </ul>
            {others.length > 0 && <a href={hrefOf('system')}>{plural(others.length, 'more problem')}</a>}
          </div>
        </section>
      )}
    </>
  );
}

function One({ of: { level, text, remedy } }: { readonly of: Finding }) {
  const [sign, word] = SIGNS[level];
  return (
    <li data-level={level}>
      <span class="sign" aria-hidden="true">
        {sign}
      </span>
      <span class="hidden">{word}: </span>
      {visible(text)}
      {remedy.length > 0 && (
        <ul class="remedy">
          {remedy.map((line) => (
            <li key={line}>
              <code>{visible(line)}</code>
            </li>
          ))}
        </ul>
      )}
    </li>
  );
}
